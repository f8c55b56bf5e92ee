"""Derives the marks of episodes from their statistics in meta/episodes.

With these marks, a large data set is opened without reading its frames.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations import layout
from robomtl.demonstrations.columns import integers, truths, vectors
from robomtl.demonstrations.marks import ROUNDING, Marks
from robomtl.errors import InputError
from robomtl.files.parquet import Parquet

_Read = Callable[[Any, str, Path], NDArray[Any]]


def marks_by_statistics(
    paths: Sequence[Path], sizes: Mapping[str, int], recorded: Sequence[str]
) -> Marks | None:
    """The marks of all episodes; None if the statistics do not determine them.

    The statistics are insufficient if they are missing, if a task or variation changes
    within an episode, or if a number is not finite or an action beyond [-1, 1], since only
    the frames show at which step.

    Args:
        paths: The episode files.
        sizes: Length of each vector of the data files, by feature.
        recorded: Columns of the data files that are read besides vectors.
    """
    try:
        largest = {name: _extremes(paths, name, size) for name, size in sizes.items()}
        task = _constant(paths, layout.TASK_INDEX)
        count = len(task)
        variation, success = np.full(count, -1), np.full(count, True)
        if layout.VARIATION in recorded:
            variation = _constant(paths, layout.VARIATION)
        if layout.SUCCESS in recorded:
            success = _column(paths, f"stats/{layout.SUCCESS}/max", truths)
    except InputError:
        return None
    action = largest.get(layout.ACTION, np.zeros(count, np.float32))
    if not all(np.isfinite(each).all() for each in largest.values()):
        return None
    if action.max() > 1 + ROUNDING:
        return None
    return Marks(task, variation, success, action, np.zeros(count, np.int64))


def _extremes(paths: Sequence[Path], name: str, size: int) -> NDArray[np.float32]:
    """Largest magnitude of a feature's components in each episode; (episode,)."""

    def read(table: Any, column: str, path: Path) -> NDArray[np.float32]:
        largest: NDArray[np.float32] = np.abs(vectors(table, column, size, path)).max(1)
        return largest

    ends = [_column(paths, f"stats/{name}/{end}", read) for end in ("min", "max")]
    largest: NDArray[np.float32] = np.maximum(*ends)
    return largest


def _constant(paths: Sequence[Path], name: str) -> NDArray[np.int64]:
    """Value of a feature that is constant within each episode; (episode,).

    Raises:
        InputError: If it changes within an episode, or its statistics are missing.
    """
    low, high = (
        _column(paths, f"stats/{name}/{end}", integers) for end in ("min", "max")
    )
    if not np.array_equal(low, high):
        raise InputError(f"'{name}' changes within an episode.")
    return low


def _column(paths: Sequence[Path], name: str, read: _Read) -> NDArray[Any]:
    return np.concatenate([read(Parquet(p, [name]).table(), name, p) for p in paths])
