"""Sampling of the task and data set of each sample of a batch.

The frames of one task in one data set are a group; the group of each sample is drawn.

Sources: temperatures as in multilingual models (Arivazhagan et al. 2019,
arXiv:1907.05019, section 4.1); harder tasks more often, in the spirit of Sharma et al.
2018, "Learning to Multi-Task by Active Sampling" (arXiv:1702.06053). Departures:

1. Sharma et al. compare a task's score with that of a baseline policy. Here a task is
   drawn in proportion to its validation loss, which needs no baseline.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from robomtl.training.balancing import Sampling


class Drawing(Protocol):
    """Draws a group for each sample of a batch."""

    def size(self, requested: int) -> int:
        """Number of samples in a batch; about ``requested``."""
        ...

    def groups(self, draws: Tensor) -> Tensor:
        """Index of the group of each sample; (sample,).

        Args:
            draws: Uniform random numbers from 0 to 1; (sample,).
        """
        ...


class Weighted:
    """Draws the group of each sample independently, with probability ∝ its weight.

    Args:
        weights: Weights of the groups; (group,).
    """

    def __init__(self, weights: Tensor) -> None:
        self._edges = (weights.cumsum(0) / weights.sum()).float()

    def size(self, requested: int) -> int:
        """The number of samples wanted."""
        return requested

    def groups(self, draws: Tensor) -> Tensor:
        """See ``Drawing``."""
        groups = torch.searchsorted(self._edges, draws)
        return groups.clamp(max=len(self._edges) - 1)


class Even:
    """Draws equally many samples of every task, sorted by task.

    Args:
        task: Index of the task of each group, sorted; a task has several groups if several
            data sets have it. (group,)
        weights: Weights by which the groups of a task are drawn; (group,).
    """

    def __init__(self, task: Tensor, weights: Tensor) -> None:
        _, task_index = torch.unique_consecutive(task, return_inverse=True)
        self._tasks = int(task_index[-1]) + 1
        task_total = weights.new_zeros(self._tasks).index_add(0, task_index, weights)
        within = weights / task_total[task_index]
        self._edges = within.cumsum(0)  # A task's groups end at its number plus 1.

    def size(self, requested: int) -> int:
        """The largest multiple of the number of tasks up to ``requested``; at least 1 each."""
        return max(requested - requested % self._tasks, self._tasks)

    def groups(self, draws: Tensor) -> Tensor:
        """See ``Drawing``; each draw chooses among the groups of one task."""
        tasks = torch.arange(self._tasks, device=draws.device)
        positions = tasks.repeat_interleave(len(draws) // self._tasks) + draws.double()
        groups = torch.searchsorted(self._edges, positions, right=True)
        return groups.clamp(max=len(self._edges) - 1)


def temperature_of(sampling: Sampling, temperature: float) -> float:
    """The temperature of ``uniform`` or ``proportional``; the given one for other names."""
    return {"uniform": float("inf"), "proportional": 1.0}.get(sampling, temperature)


def tempered(frames: Tensor, temperature: float) -> Tensor:
    """Weights frames^(1/temperature) of tasks or groups; shape of ``frames``."""
    return frames.double() ** (1 / temperature)


def group_weights(
    groups: Tensor,
    frames: Tensor,
    temperature: float,
    weights: Sequence[float] | None = None,
) -> Tensor:
    """Weights by which groups are drawn; (group,).

    Without weights of data sets, the weight of a task does not depend on how its frames are
    divided among data sets. With them, the weights of a data set's groups sum to its weight.

    Args:
        groups: Task and data set of each group; (group, 2).
        frames: Number of frames of each group; (group,).
        temperature: Weights of tasks are proportional to frames^(1/temperature).
        weights: Weights of the data sets.
    """
    if weights is None:
        task, data = groups[:, 0], frames
        _, task_index = torch.unique_consecutive(task, return_inverse=True)
        task_total = torch.zeros_like(data).index_add(0, task_index, data)[task_index]
        return tempered(task_total, temperature) * (data / task_total)
    tempered_weights, source = tempered(frames, temperature), groups[:, 1]
    weight = torch.tensor(
        weights, dtype=tempered_weights.dtype, device=tempered_weights.device
    )
    source_total = torch.zeros_like(weight).index_add(0, source, tempered_weights)
    return tempered_weights * (weight / source_total)[source]


def by_loss(weights: Tensor, losses: Tensor) -> Tensor:
    """Weights of groups multiplied by validation losses (departure 1); (group,).

    Args:
        weights: Weights without the losses; (group,).
        losses: Validation loss of the task of each group, above 0; (group,).
    """
    return weights * losses.to(weights)
