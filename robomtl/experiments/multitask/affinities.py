"""How a step on one task changes the loss of another, over the trainings of an arm.

Source: Fifty et al. 2021, "Efficiently Identifying Task Groupings for Multi-Task
Learning"; see ``robomtl.training.affinity``. Tasks are put beside those they help and are
helped by, by average linkage of the mean of both directions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from robomtl.errors import InputError

Matrix = NDArray[np.float64]
"""Row i, column j: part of the loss of task j that a step on task i takes away."""


_LARGEST = 1e12  # Sums and squares of affinities are to stay finite.


@dataclass(frozen=True, kw_only=True)
class Affinity:
    """Effects of steps on one task on the others, averaged over training."""

    tasks: tuple[str, ...]
    """Names, those beside each other that go together."""
    matrix: tuple[tuple[float, ...], ...]
    """For each task in this order, what a step on it takes away from the loss of each, as
    a part of that; negative where it adds."""
    links: tuple[tuple[float, ...], ...]
    """What the tasks were joined by, as scipy's ``linkage`` has it, of tasks in the
    order above."""
    measurements: int
    """Over all trainings."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The mean affinity over the measurements of one training."""

    tasks: tuple[str, ...]
    affinity: tuple[tuple[float, ...], ...]
    """(task, task)"""
    count: int
    """Number of measurements."""

    def __post_init__(self) -> None:
        """Checks the size of the matrix.

        Raises:
            InputError: If it does not fit the tasks.
        """
        _check_square(self.affinity, self.tasks)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The measurements of one training, as ``affinity.json`` of its run has them."""

    tasks: tuple[str, ...]
    affinity: tuple[tuple[tuple[float, ...], ...], ...]
    """(measurement, task, task)"""

    def __post_init__(self) -> None:
        """Checks that there is a measurement, and the size of each.

        Raises:
            InputError: If there is none, or one does not fit the tasks.
        """
        if not self.affinity:
            raise InputError("affinity is empty; it has at least 1 measurement.")
        for matrix in self.affinity:
            _check_square(matrix, self.tasks)


def _check_square(matrix: Sequence[Sequence[float]], tasks: Sequence[str]) -> None:
    if {len(tasks)} != {len(matrix), *map(len, matrix)} or len(tasks) < 2:
        raise InputError(
            f"affinity is not a matrix of {len(tasks)} x {len(tasks)} numbers for the"
            f" tasks {', '.join(tasks)}, which are at least 2."
        )
    if any(abs(value) > _LARGEST for row in matrix for value in row):
        raise InputError(f"affinity has a number beyond {_LARGEST:g}.")


def affinity_of(measured: Sequence[Measured]) -> Affinity | None:
    """The mean over trainings, clustered; None without a measurement.

    Args:
        measured: The mean affinity of each training.
    """
    if not measured:
        return None
    names = measured[0].tasks
    mean = np.mean([each.affinity for each in measured], axis=0)
    order = leaves_list(_links(mean))
    clustered = mean[np.ix_(order, order)]
    return Affinity(
        tasks=tuple(names[place] for place in order),
        matrix=tuple(tuple(map(float, row)) for row in clustered.round(6)),
        links=tuple(tuple(map(float, row)) for row in _links(clustered).round(6)),
        measurements=sum(each.count for each in measured),
    )


def _links(matrix: Matrix) -> Matrix:
    """Average linkage: the nearer, the more tasks help each other."""
    both = (matrix + matrix.T) / 2
    np.fill_diagonal(both, -np.inf)  # Own effects, much the largest, join nothing.
    distance = both.max() - both
    np.fill_diagonal(distance, 0.0)
    found = linkage(squareform(distance, checks=False), "average")
    return np.asarray(found, np.float64)


def summed_up(kept: Kept) -> Measured:
    """The mean over the measurements of one training."""
    mean = np.mean(kept.affinity, axis=0).round(6)
    return Measured(
        tasks=kept.tasks,
        affinity=tuple(tuple(row) for row in mean.tolist()),
        count=len(kept.affinity),
    )
