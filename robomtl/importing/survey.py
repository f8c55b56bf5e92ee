"""Reads every episode of a data set once, and records its values and its faults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.errors import InputError
from robomtl.importing.imported_features import SUCCESS, Features, of_images, of_vectors
from robomtl.importing.source import Episode, Source
from robomtl.progress import progress


@dataclass
class Range:
    """Range of a vector feature over all frames."""

    low: NDArray[np.float32]
    """Least finite value of each component."""
    high: NDArray[np.float32]
    """Largest finite value of each component."""
    beyond: int = 0
    """Number of frames with a component beyond [-1, 1]."""
    not_finite: int = 0
    """Number of frames with a component that is not finite."""

    def add(self, values: NDArray[np.float32]) -> None:
        """Adds the next frames; (frame, component)."""
        finite = np.isfinite(values)
        least = np.where(finite, values, np.inf).min(0)
        largest = np.where(finite, values, -np.inf).max(0)
        self.low, self.high = (
            np.minimum(self.low, least),
            np.maximum(self.high, largest),
        )
        self.beyond += int((np.abs(values) > 1).any(1).sum())
        self.not_finite += int((~finite).any(1).sum())


@dataclass
class Survey:
    """Content and faults of a data set."""

    lengths: Sequence[int]
    """Number of frames of each episode."""
    ranges: dict[str, Range] = field(default_factory=dict)
    """Range of each vector feature."""
    instructions: dict[int, str] = field(default_factory=dict)
    """Task sentence of each episode that is sound; empty where none is recorded."""
    succeeded: dict[int, bool] = field(default_factory=dict)
    """Whether a step of each sound episode is marked as successful."""
    broken: dict[int, str] = field(default_factory=dict)
    """Fault of each episode that cannot be learned from."""
    odd_success: str = ""
    """First success that is neither 0 nor 1, and its episode; empty if there is none."""


def survey(source: Source, features: Features, instruction: str | None) -> Survey:
    """Surveys a data set; its episodes are in memory one at a time.

    Args:
        source: The data set.
        features: Columns that are imported, by feature.
        instruction: Task sentence of every episode; None for those of the data set.
    """
    about = source.about
    images, vectors = of_images(features, about), of_vectors(features, about)
    found = Survey(about.lengths)
    with progress("Reading", len(about.lengths)) as advance:
        for number in range(len(about.lengths)):
            try:
                if not about.lengths[number]:
                    raise InputError(f"Episode {number} has no frames.")
                episode = read_episode(source, number, vectors)
                source.check_images(number, images)
                _add(found, number, joined(episode, features))
                found.instructions[number] = instruction or episode.instruction
            except InputError as error:
                found.broken[number] = str(error)
            advance()
    return found


def read_episode(source: Source, number: int, columns: Sequence[str]) -> Episode:
    """The named columns of an episode, whose shapes are checked.

    Raises:
        InputError: If the episode is damaged, or a column has another shape than declared.
    """
    episode, known = source.read(number, columns), source.about.columns
    for name, values in episode.columns.items():
        if values.shape[1:] != known[name].shape:
            raise InputError(
                f"Episode {number}: '{name}' has the shape {values.shape[1:]} per frame,"
                f" and {known[name].shape} elsewhere."
            )
    return episode


def joined(episode: Episode, features: Features) -> dict[str, NDArray[Any]]:
    """The features of an episode whose columns were read; vectors (frame, component)."""
    read = episode.columns
    available = {n: c for n, c in features.items() if all(each in read for each in c)}
    with np.errstate(over="ignore"):  # Infinities are refused with their step.
        return {
            name: read[columns[0]]
            if read[columns[0]].ndim > 2
            else np.concatenate([read[each] for each in columns], 1).astype(np.float32)
            for name, columns in available.items()
        }


def _add(found: Survey, number: int, values: Mapping[str, NDArray[Any]]) -> None:
    """Adds the vectors of an episode to a survey.

    Raises:
        InputError: If a vector is not finite.
    """
    for name, each in values.items():
        size = each.shape[1]
        low, high = np.full(size, np.inf, "f4"), np.full(size, -np.inf, "f4")
        found.ranges.setdefault(name, Range(low, high)).add(each)
    for name, each in values.items():
        bad = np.flatnonzero(~np.isfinite(each).all(1))
        if len(bad):
            raise InputError(
                f"Episode {number}: '{name}' is not finite at step {bad[0]}."
            )
    if SUCCESS in values:
        marks = values[SUCCESS][:, 0]
        odd = marks[(marks != 0) & (marks != 1)]
        if len(odd) and not found.odd_success:
            found.odd_success = f"{odd[0]:g} in episode {number}"
        found.succeeded[number] = bool((marks == 1).any())
