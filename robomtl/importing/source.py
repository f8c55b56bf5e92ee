"""Contract of data sets of other tools, which the importer reads."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from numpy.typing import NDArray

from robomtl.errors import InputError
from robomtl.pictures import IMAGE

COMPONENTS = 100_000
"""Largest length of a vector that is imported."""


class Column(NamedTuple):
    """A column of a data set, such as ``obs/robot0_eef_pos``."""

    kind: Literal["vector", "image"]
    shape: tuple[int, ...]
    """(length,) of a vector, (height, width, 3) of an image."""


class Episode(NamedTuple):
    """Content of an episode."""

    instruction: str
    """The task sentence; empty if the episode has none."""
    columns: Mapping[str, NDArray[Any]]
    """Vectors as numbers of any precision, (frame, length); images (frame, height, width,
    3)."""


@dataclass(frozen=True, kw_only=True)
class About:
    """Metadata of a data set."""

    format: str
    """Name and version of the format."""
    columns: Mapping[str, Column]
    """Columns that can be imported."""
    usual: Mapping[str, tuple[str, ...]]
    """Columns of each feature that is imported by default."""
    lengths: Sequence[int]
    """Number of frames of each episode."""
    robot: str
    """Name of the robot; empty if the data set does not name it."""
    fps: float | None
    """Frames per second [1/s]; None if the data set does not record them."""
    unusable: Mapping[str, str]
    """Reason why a column cannot be imported, by column."""
    duplicated: Sequence[str] = ()
    """Instructions that occur several times in the list of tasks."""
    filters: Mapping[str, int]
    """Number of episodes of each named subset."""
    bounds: tuple[Sequence[float | None], Sequence[float | None]] | None = None
    """Least and largest action that the data set declares, for each component."""


class Source(Protocol):
    """A data set of another tool, read episode by episode."""

    @property
    def about(self) -> About:
        """Metadata of the data set."""
        ...

    def read(self, number: int, columns: Sequence[str]) -> Episode:
        """The named columns of an episode.

        Args:
            number: Index of the episode.
            columns: Names of the columns.

        Raises:
            InputError: If the episode is damaged, or contradicts the metadata.
        """
        ...

    def check_images(self, number: int, columns: Sequence[str]) -> None:
        """Refuses an episode whose images differ in number from its frames.

        Args:
            number: Index of the episode.
            columns: Names of columns of images.

        Raises:
            InputError: If a column has another number of images.
        """
        ...


def check_length(where: str, name: str, length: int, frames: int) -> None:
    """Refuses a column that does not have one row per frame.

    Args:
        where: File and episode, for the message.
        name: Name of the column.
        length: Number of rows of the column.
        frames: Number of frames of the episode.

    Raises:
        InputError: If the numbers differ.
    """
    if length != frames:
        raise InputError(
            f"{where}: column '{name}' has {length} rows, and the episode has {frames}"
            " frames."
        )


def by_short_name(
    short: Mapping[str, str], columns: Mapping[str, Column], taken: Sequence[str] = ()
) -> dict[str, tuple[str, ...]]:
    """The column of each feature that has a column of its own.

    A short name that several columns of one kind share, or that is taken, would lose all
    but one of them, so each is named by its whole name with ``_`` between its parts.

    Args:
        short: Short name of each column, without the prefix of images.
        columns: Columns of the data set.
        taken: Names of features that have other columns.
    """
    prefix = {key: IMAGE if columns[key].kind == "image" else "" for key in short}
    names = {key: prefix[key] + name for key, name in short.items()}
    count = Counter([*names.values(), *taken])
    for key, name in names.items():
        if count[name] > 1:
            names[key] = prefix[key] + re.sub(r"\W", "_", key)
    return {name: (key,) for key, name in names.items()}


def in_words(name: str) -> str:
    """The name of an env as a sentence: ``PickPlaceCan-v1`` becomes ``pick place can``."""
    name = re.sub(r"-v\d+$", "", name.rsplit("/", 1)[-1])
    spaced = [
        f" {each}"
        if each.isupper() and (before.islower() or before.isdigit())
        else each
        for before, each in zip(" " + name, name, strict=False)
    ]
    return " ".join("".join(spaced).replace("_", " ").replace("-", " ").lower().split())
