"""Marks of episodes, such as their task and success, and faults of frames."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations import layout
from robomtl.demonstrations.columns import integers, truths, vectors
from robomtl.errors import InputError
from robomtl.files.parquet import Parquet

ROUNDING = 1e-5
"""Tolerance by which an action may exceed 1."""


class Marks(NamedTuple):
    """Task, variation, success and largest action of each episode; each (episode,)."""

    task: NDArray[np.int64]
    """Task index of the episode's first frame."""
    variation: NDArray[np.int64]
    """Variation of the episode's first frame; -1 where it was not recorded."""
    success: NDArray[np.bool_]
    """Whether a step succeeded; true where that was not recorded."""
    largest: NDArray[np.float32]
    """Largest magnitude of an action component, before clipping."""
    largest_step: NDArray[np.int64]
    """Step with the largest magnitude; 0 if only statistics are known."""

    def of(self, episodes: slice) -> "Marks":
        """The marks of a range of episodes."""
        task, variation, success, largest, step = self
        return Marks(
            task[episodes],
            variation[episodes],
            success[episodes],
            largest[episodes],
            step[episodes],
        )


@dataclass
class Faults:
    """First frame with a fault of each kind."""

    changed_task: int | None = None
    """First frame with another task than the beginning of its episode, if any."""
    not_finite: dict[str, int] = field(default_factory=dict)
    """First frame with a number that is not finite, by feature."""


Check = Callable[[Marks, Faults], None]
"""Raises an error if episodes with these marks and faults cannot be learned from."""


def marks_in(
    table: Any,
    path: Path,
    task: NDArray[np.int64],
    action: NDArray[np.float32],
    start: NDArray[np.int64],
) -> Marks:
    """The marks of the episodes of a file.

    Args:
        table: The frames of the file.
        path: The file, for messages.
        task: Task index of the first frame of each episode; (episode,).
        action: Actions before clipping; (frame, action).
        start: Row at which each episode begins; (episode,).

    Raises:
        InputError: If a variation is not an integer, or a success not a boolean.
    """
    variation, success = np.full(len(task), -1), np.full(len(task), True)
    if layout.VARIATION in table.column_names:
        variation = integers(table, layout.VARIATION, path)[start]
    if layout.SUCCESS in table.column_names:
        success = np.logical_or.reduceat(truths(table, layout.SUCCESS, path), start)
    size = np.abs(action).max(1)
    largest = np.maximum.reduceat(size, start)
    length = np.diff(start, append=len(size))
    row = np.arange(len(size))
    candidates = np.where(size == np.repeat(largest, length), row, len(size))
    step = np.minimum.reduceat(candidates, start) - start
    return Marks(task, variation, success, largest, step)


def joined(parts: Iterable[Marks]) -> Marks:
    """The marks of the episodes of several files, one after the other."""
    return Marks(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def read_marks(path: Path, episodes: int) -> Marks:
    """The marks in a parquet file of the cache.

    Args:
        path: The file.
        episodes: Number of episodes of the data set.

    Raises:
        InputError: If the file is damaged, or has another number of episodes.
    """
    table = Parquet(path, Marks._fields).table()
    if len(table) != episodes:
        raise InputError(
            f"{path} has {len(table):,} episodes instead of {episodes:,}; remove"
            f" {path.parent}, so that it is created again."
        )
    task, variation, step = (
        integers(table, name, path) for name in ("task", "variation", "largest_step")
    )
    success = truths(table, "success", path)
    largest = vectors(table, "largest", 1, path)[:, 0]
    return Marks(task, variation, success, largest, step)
