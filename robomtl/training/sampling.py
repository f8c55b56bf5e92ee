"""Of which task each sample of a batch is drawn.

Sources: temperatures as in multilingual models (Arivazhagan et al. 2019,
arXiv:1907.05019, section 4.1); harder tasks more often, in the spirit of Sharma et al.
2018, "Learning to Multi-Task by Active Sampling" (arXiv:1702.06053). Departures:

1. Sharma et al. compare a task's score with that of a baseline policy. Here a task is
   drawn in proportion to its validation loss, which needs no baseline.
"""

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
        tasks: Number of tasks.
    """

    def __init__(self, tasks: int) -> None:
        self._tasks = tasks

    def size(self, wanted: int) -> int:
        """The greatest multiple of the number of tasks that is not above it; 1 of each."""
        return max(wanted - wanted % self._tasks, self._tasks)

    def places(self, draws: Tensor) -> Tensor:
        """See ``Drawing``; the draws decide nothing."""
        tasks = torch.arange(self._tasks, device=draws.device)
        return tasks.repeat_interleave(len(draws) // self._tasks)


def temperature_of(sampling: Sampling, temperature: float) -> float:
    """The temperature that a name stands for; that which was given for the others."""
    return {"uniform": float("inf"), "proportional": 1.0}.get(sampling, temperature)


def tempered(frames: Tensor, temperature: float) -> Tensor:
    """Shares of tasks ∝ frames^(1/temperature); (task,)."""
    return frames.double() ** (1 / temperature)


def by_loss(shares: Tensor, losses: Tensor) -> Tensor:
    """Shares in proportion to validation losses as well (departure 1); (task,).

    Args:
        shares: Those without; (task,).
        losses: Above 0; (task,).
    """
    return shares * losses.to(shares)
