"""Of which task each sample of a batch is drawn.

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
    """Draws a task for each sample of a batch."""

    def size(self, wanted: int) -> int:
        """Number of samples in a batch, about as many as wanted."""
        ...

    def places(self, draws: Tensor) -> Tensor:
        """Places of the tasks among those there are; (sample,).

        Args:
            draws: Uniform random numbers from 0 to 1; (sample,).
        """
        ...


class Shares:
    """Each sample's task is drawn independently, with probability ∝ its share.

    Args:
        shares: (task,).
    """

    def __init__(self, shares: Tensor) -> None:
        self._edges = (shares.cumsum(0) / shares.sum()).float()

    def size(self, wanted: int) -> int:
        """As many as wanted."""
        return wanted

    def places(self, draws: Tensor) -> Tensor:
        """See ``Drawing``."""
        places = torch.searchsorted(self._edges, draws)
        return places.clamp(max=len(self._edges) - 1)


class Even:
    """Equally many samples of every task, sorted by task.

    Args:
        task: Index of the task of each place, in order; a task has several places if
            several data sets have it. (place,)
        shares: Among the places of a task; (place,).
    """

    def __init__(self, task: Tensor, shares: Tensor) -> None:
        _, which = torch.unique_consecutive(task, return_inverse=True)
        self._tasks = int(which[-1]) + 1
        whole = shares.new_zeros(self._tasks).index_add(0, which, shares)
        within = shares / whole[which]
        self._edges = within.cumsum(0)  # A task's places end at its number plus 1.

    def size(self, wanted: int) -> int:
        """The greatest multiple of the number of tasks that is not above it; 1 of each."""
        return max(wanted - wanted % self._tasks, self._tasks)

    def places(self, draws: Tensor) -> Tensor:
        """See ``Drawing``; the draws decide among the places of a task."""
        tasks = torch.arange(self._tasks, device=draws.device)
        at = tasks.repeat_interleave(len(draws) // self._tasks) + draws.double()
        places = torch.searchsorted(self._edges, at, right=True)
        return places.clamp(max=len(self._edges) - 1)


def temperature_of(sampling: Sampling, temperature: float) -> float:
    """The temperature that a name stands for; that which was given for the others."""
    return {"uniform": float("inf"), "proportional": 1.0}.get(sampling, temperature)


def tempered(frames: Tensor, temperature: float) -> Tensor:
    """Shares of tasks ∝ frames^(1/temperature); (task,)."""
    return frames.double() ** (1 / temperature)


def shares(
    pairs: Tensor,
    frames: Tensor,
    temperature: float,
    weights: Sequence[float] | None = None,
) -> Tensor:
    """Shares of the tasks of data sets; (pair,).

    Without weights, a task has the same share whether one data set has its frames or
    several. With them, the fractions of a data set add up to its weight.

    Args:
        pairs: Task and data set of each; (pair, 2).
        frames: Number of frames of each; (pair,).
        temperature: Shares are proportional to frames^(1/temperature).
        weights: Weights of the data sets.
    """
    if weights is None:
        task, data = pairs[:, 0], frames
        _, which = torch.unique_consecutive(task, return_inverse=True)
        whole = torch.zeros_like(data).index_add(0, which, data)[which]
        return tempered(whole, temperature) * (data / whole)
    own, source = tempered(frames, temperature), pairs[:, 1]
    weight = torch.tensor(weights, dtype=own.dtype, device=own.device)
    whole = torch.zeros_like(weight).index_add(0, source, own)
    return own * (weight / whole)[source]


def by_loss(shares: Tensor, losses: Tensor) -> Tensor:
    """Shares in proportion to validation losses as well (departure 1); (task,).

    Args:
        shares: Those without; (task,).
        losses: Above 0; (task,).
    """
    return shares * losses.to(shares)
