"""How a step on one task changes the loss of another, over the trainings of an arm.

Source: Fifty et al. 2021, "Efficiently Identifying Task Groupings for Multi-Task
Learning"; see ``robomtl.training.affinity``. Tasks are put beside those they help and are
helped by, by average linkage of the mean of both directions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage  # type: ignore[import-untyped]
from scipy.spatial.distance import squareform  # type: ignore[import-untyped]

Matrix = NDArray[np.float64]
"""Row i, column j: part of the loss of task j that a step on task i takes away."""


@dataclass(frozen=True, kw_only=True)
class Affinity:
    """What steps on tasks do to others, in the mean over training."""

    tasks: tuple[str, ...]
    """Names, those beside each other that go together."""
    matrix: tuple[tuple[float, ...], ...]
    """Of each task in this order, what a step on it takes away from the loss of each, as
    a part of that; negative where it adds."""
    links: tuple[tuple[float, ...], ...]
    """What the tasks were joined by, as scipy's ``linkage`` has it, of tasks in the
    order above."""
    measurements: int
    """Over all trainings."""


def affinity_of(measured: Sequence[Mapping[str, Any]]) -> Affinity | None:
    """The mean over trainings, clustered; None without a measurement.

    Args:
        measured: Of each training ``tasks``, ``affinity`` (task, task), which is the mean
            over its measurements, and ``count``, how many there were.
    """
    if not measured:
        return None
    names: tuple[str, ...] = tuple(measured[0]["tasks"])
    mean = np.mean([each["affinity"] for each in measured], axis=0)
    order = leaves_list(_links(mean))
    clustered = mean[np.ix_(order, order)]
    return Affinity(
        tasks=tuple(names[place] for place in order),
        matrix=tuple(tuple(map(float, row)) for row in clustered.round(6)),
        links=tuple(tuple(map(float, row)) for row in _links(clustered).round(6)),
        measurements=sum(each["count"] for each in measured),
    )


def _links(matrix: Matrix) -> Matrix:
    """Average linkage: the nearer, the more tasks help each other."""
    both = (matrix + matrix.T) / 2
    np.fill_diagonal(both, -np.inf)  # Own effects, much the largest, join nothing.
    distance = both.max() - both
    np.fill_diagonal(distance, 0.0)
    found = linkage(squareform(distance, checks=False), "average", True)
    return np.asarray(found, np.float64)


def summed_up(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The mean over the measurements of one training.

    Args:
        kept: ``affinity.json`` of its run directory.
    """
    return {
        "tasks": list(kept["tasks"]),
        "affinity": np.mean(kept["affinity"], axis=0).round(6).tolist(),
        "count": len(kept["affinity"]),
    }
