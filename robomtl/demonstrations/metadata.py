"""Reads and checks the ``meta`` folder of a LeRobotDataset v3.0."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from robomtl.demonstrations import layout
from robomtl.demonstrations.columns import integers
from robomtl.demonstrations.files import check_template, inside, paths_of
from robomtl.demonstrations.staging import STAGING
from robomtl.errors import InputError
from robomtl.files.folder_kinds import holding
from robomtl.files.parquet import Parquet, check_rows, check_size
from robomtl.files.untrusted import converted, read_json

_Count = Annotated[int, Meta(ge=0, lt=2**53)]


@dataclass(frozen=True, kw_only=True)
class Info:
    """The fields of ``meta/info.json`` that are read."""

    total_episodes: _Count
    total_frames: _Count
    fps: Annotated[float, Meta(gt=0, le=100_000)]
    """Frames per second [1/s]."""
    data_path: str
    """Template of the paths of data files."""
    features: Mapping[str, Any]
    video_path: str | None = None
    """Template of the paths of videos."""
    robot_type: str | None = None
    """Name of the robot."""

    @property
    def has_actions(self) -> bool:
        """Whether actions were recorded."""
        return layout.ACTION in self.features

    def dtype(self, name: str) -> object:
        """The declared ``dtype`` of a feature; None if the feature or its type is missing."""
        described = self.features.get(name)
        return described.get("dtype") if isinstance(described, dict) else None


class Index(NamedTuple):
    """Index of the episodes, one entry per episode; read from the episode files."""

    start: NDArray[np.int64]
    """Index of the first frame; (episode,)."""
    length: NDArray[np.int64]
    """Number of frames; (episode,)."""
    files: tuple[Path, ...]
    """Data file of each episode."""
    listed_in: tuple[Path, ...]
    """Paths of the episode files."""


class _Listed(NamedTuple):
    """Columns of the episode files, by their order in ``LISTED``."""

    number: NDArray[np.int64]
    length: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    chunk: NDArray[np.int64]
    file: NDArray[np.int64]


LISTED = (
    "episode_index",
    "length",
    "dataset_from_index",
    "dataset_to_index",
    "data/chunk_index",
    "data/file_index",
)
"""Columns of the episode files that are read."""


def read_info(folder: Path) -> Info:
    """The content of ``meta/info.json``, checked.

    Raises:
        InputError: If the folder is not a data set of this version, or a field is missing
            or of another type.
    """
    _check_folder(folder)
    path = inside(folder, layout.INFO)
    content = read_json(path, dict[str, Any])
    _check_version(path, content.get("codebase_version"))
    info = converted(content, Info, where=str(path))
    check_template(info.data_path, path)
    return info


def _check_folder(folder: Path) -> None:
    path = folder / layout.INFO
    if not folder.is_dir():
        raise InputError(
            f"{folder} {holding(folder)}; give the folder of a data set. To use one of a"
            " hub, download it: hf download --repo-type dataset OWNER/NAME --local-dir DIR."
        )
    if os.path.lexists(path):
        return
    if (folder / STAGING).exists():
        raise InputError(
            f"{folder} is incomplete: it is being written, or its writing was interrupted."
            " Wait for the command that writes it, or run it again to complete it."
        )
    outer = folder.absolute().parent
    if (outer / layout.INFO).exists():
        raise InputError(f"{folder} is not a data set, but {outer} is one; give that.")
    if content := holding(folder):
        inside = folder / "demonstrations"
        example = f", such as {inside}" if (inside / layout.INFO).exists() else ""
        raise InputError(f"{folder} {content}; give the folder of a data set{example}.")
    raise InputError(
        f"{folder} is not a data set: {layout.INFO} is missing. It is written last, "
        "so if recording was interrupted, the data set is incomplete."
    )


def _check_version(path: Path, version: object) -> None:
    if version == layout.VERSION:
        return
    advice = ""
    if isinstance(version, str) and version < layout.VERSION:
        advice = f" Import it: robomtl import {path.parent.parent} --out NEW."
    raise InputError(
        f"{path}: the codebase_version is {version}; robomtl trains on {layout.VERSION}."
        + advice
    )


def action_size(folder: Path, info: Info) -> int:
    """Length of an action; 1 if none were recorded, for a column of zeros.

    Raises:
        InputError: If the feature is not a vector of numbers.
    """
    return vector_size(folder, info, layout.ACTION) if info.has_actions else 1


def vector_size(folder: Path, info: Info, name: str) -> int:
    """Length of a vector feature that is read.

    Raises:
        InputError: If the feature is missing or not a vector of numbers.
    """
    path, features = folder / layout.INFO, info.features
    if name not in features:
        raise InputError(
            f"{path} has no feature '{name}'; it has {', '.join(sorted(features))}."
        )
    described = features[name]
    shape: Any = described.get("shape") if isinstance(described, dict) else described
    vector = isinstance(shape, list) and len(shape) == 1 and type(shape[0]) is int
    if not vector or not 0 < shape[0] < 2**31:
        raise InputError(
            f"{path}: feature '{name}' has shape {str(shape)[:80]}; it must be one vector"
            " per frame, such as [4]."
        )
    return int(shape[0])


def read_index(folder: Path, info: Info) -> Index:
    """The index of the episodes of a data set.

    Raises:
        InputError: If the episode files are missing, damaged or too large, or contradict
            ``meta/info.json`` or one another.
    """
    found = sorted(folder.glob("meta/episodes/*/*.parquet"))
    # Operating systems leave hidden files, such as ._file-000.parquet of macOS.
    paths = [path for path in found if not path.name.startswith(".")]
    if not paths:
        raise InputError(f"{folder}/meta/episodes has no file; it is incomplete.")
    files = [
        Parquet(inside(folder, str(path.relative_to(folder))), LISTED) for path in paths
    ]
    where = folder / "meta/episodes"
    check_size(where, sum(f.declared for f in files), sum(f.disk for f in files))
    check_rows(where, sum(f.rows for f in files), layout.MOST_EPISODES)
    parts = []
    for path, file in zip(paths, files, strict=True):
        table = file.table()
        parts.append([integers(table, name, path) for name in LISTED])
    listed = _Listed(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    _check_listed(folder, info, listed)
    return Index(
        start=listed.start,
        length=listed.length,
        files=paths_of(folder, info.data_path, listed.chunk, listed.file),
        listed_in=tuple(paths),
    )


def _check_listed(folder: Path, info: Info, listed: _Listed) -> None:
    where, length = f"{folder}/meta/episodes", listed.length
    declared = info.total_episodes, info.total_frames
    found = len(length), sum(length.tolist())
    if declared != found:
        raise InputError(
            f"{where} lists {found[0]} episodes of {found[1]} frames, "
            f"{layout.INFO} {declared[0]} of {declared[1]}."
        )
    if not found[0]:
        raise InputError(f"{folder} has no episodes.")
    if length.min() < 1:
        raise InputError(f"{where}: episode {length.argmin()} has no frames.")
    follows = np.array_equal(listed.start, np.cumsum(length) - length)
    counted = np.array_equal(listed.number, np.arange(len(length)))
    if not (follows and counted and np.array_equal(listed.end, listed.start + length)):
        raise InputError(f"{where} does not list the episodes one after the other.")
    for name, numbers in (("chunk", listed.chunk), ("file", listed.file)):
        if numbers.min() < 0:
            raise InputError(
                f"{where}: data/{name}_index of episode {numbers.argmin()} is"
                f" {numbers.min()}; it must be at least 0."
            )
