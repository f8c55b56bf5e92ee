"""Affinity of tasks: the effect of a step on one task on the losses of the others.

Source: Fifty et al. 2021, "Efficiently Identifying Task Groupings for Multi-Task
Learning"; see ``robomtl.training.affinity``. Tasks are ordered by average linkage of the
mean of both directions, so that those that help each other are adjacent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from robomtl.errors import InputError

Matrix = NDArray[np.float64]
"""Relative drop in the loss of task j (column) after a step on task i (row)."""


_LARGEST = 1e12  # Keeps sums and squares of affinities finite.


@dataclass(frozen=True, kw_only=True)
class Affinity:
    """Mean effects of steps on one task on the losses of all tasks, over trainings."""

    tasks: tuple[str, ...]
    """Names of the tasks; those that help each other are adjacent."""
    matrix: tuple[tuple[float, ...], ...]
    """Relative drop in each task's loss after a step on a task; (task stepped on, task),
    in the order of ``tasks``. Negative where the loss rises."""
    links: tuple[tuple[float, ...], ...]
    """Linkage of the tasks, in scipy's format, with indices in the order of ``tasks``."""
    measurements: int
    """Number of measurements over all trainings."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The mean affinity over the measurements of one training."""

    tasks: tuple[str, ...]
    affinity: tuple[tuple[float, ...], ...]
    """Mean affinity; (task, task)."""
    count: int
    """Number of measurements."""

    def __post_init__(self) -> None:
        """Checks the size of the matrix.

        Raises:
            InputError: If the size does not fit the tasks.
        """
        _check_square(self.affinity, self.tasks)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """All measurements of one training: the content of ``affinity.json`` in its run."""

    tasks: tuple[str, ...]
    affinity: tuple[tuple[tuple[float, ...], ...], ...]
    """Affinity at each measurement; (measurement, task, task)."""

    def __post_init__(self) -> None:
        """Checks that there is a measurement, and the size of each.

        Raises:
            InputError: If there is none, or its size does not fit the tasks.
        """
        if not self.affinity:
            raise InputError("affinity is empty; it needs at least 1 measurement.")
        for matrix in self.affinity:
            _check_square(matrix, self.tasks)


def _check_square(matrix: Sequence[Sequence[float]], tasks: Sequence[str]) -> None:
    if {len(tasks)} != {len(matrix), *map(len, matrix)} or len(tasks) < 2:
        raise InputError(
            f"affinity is not a matrix of {len(tasks)} x {len(tasks)} numbers for the"
            f" tasks {', '.join(tasks)}; at least 2 tasks are needed."
        )
    if any(abs(value) > _LARGEST for row in matrix for value in row):
        raise InputError(
            f"affinity has a number whose magnitude is above {_LARGEST:g}."
        )


def affinity_of(measured: Sequence[Measured]) -> Affinity | None:
    """The mean affinity over trainings, clustered; None without a training.

    Args:
        measured: Mean affinity of each training, with the same tasks.
    """
    if not measured:
        return None
    names = measured[0].tasks
    mean = np.mean([each.affinity for each in measured], axis=0)
    order = leaves_list(_links(mean))
    clustered = mean[np.ix_(order, order)]
    return Affinity(
        tasks=tuple(names[index] for index in order),
        matrix=tuple(tuple(map(float, row)) for row in clustered.round(6)),
        links=tuple(tuple(map(float, row)) for row in _links(clustered).round(6)),
        measurements=sum(each.count for each in measured),
    )


def _links(matrix: Matrix) -> Matrix:
    """Average linkage, in which tasks that help each other more are closer."""
    both = (matrix + matrix.T) / 2
    np.fill_diagonal(both, -np.inf)  # Leaves out effects of a task on itself.
    distance = both.max() - both
    np.fill_diagonal(distance, 0.0)
    links = linkage(squareform(distance, checks=False), "average")
    return np.asarray(links, np.float64)


def summed_up(kept: Kept) -> Measured:
    """The mean affinity over the measurements of one training."""
    mean = np.mean(kept.affinity, axis=0).round(6)
    return Measured(
        tasks=kept.tasks,
        affinity=tuple(tuple(row) for row in mean.tolist()),
        count=len(kept.affinity),
    )
