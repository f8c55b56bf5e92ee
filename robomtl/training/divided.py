"""Batches in parts: for several processes, and for several passes in each of them.

A batch is drawn whole and equal for every number of processes and passes. It is then cut
into parts of consecutive samples, of which a process reads its own frames only.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor


class Divided(NamedTuple):
    """The parts of a batch that one process computes."""

    parts: tuple[Any, ...]
    """Batches of consecutive samples, in order."""
    place: slice
    """Indices of their samples within the whole batch."""
    task: Tensor
    """Index of the task of each sample of the whole batch; (sample,)."""


class Divisible(Protocol):
    """Draws whose batches can be divided."""

    def divided(self, step: int, size: int, own: Sequence[int], of: int) -> Divided:
        """Some parts of the batch that ``batch`` draws for a step.

        Args:
            step: Number of steps taken before.
            size: Samples in the whole batch, about.
            own: Indices of the parts, consecutive.
            of: Number of all parts.
        """
        ...


class DividedDraws:
    """Draws the parts of one process; see ``Draws``.

    Args:
        draws: Draws the whole batches.
        own: Indices of the parts of this process, consecutive.
        of: Number of all parts.
    """

    def __init__(self, draws: Divisible, own: Sequence[int], of: int) -> None:
        self._draws, self._own, self._of = draws, own, of

    def batch(self, step: int, size: int) -> Divided:
        """The parts of a step's batch."""
        return self._draws.divided(step, size, self._own, self._of)


def edges(samples: int, own: Sequence[int], of: int) -> list[slice]:
    """The samples of some parts of a batch: as many in each, but for a remainder.

    Args:
        samples: Number of samples in the batch.
        own: Indices of the parts.
        of: Number of all parts.
    """
    return [slice(samples * k // of, samples * (k + 1) // of) for k in own]


def parts_of(batch: Any) -> tuple[Any, ...]:
    """The batches that are computed one after the other: the parts, or the whole."""
    return batch.parts if isinstance(batch, Divided) else (batch,)
