"""Batches divided into parts, for several processes and several passes in each of them.

A batch is drawn as a whole, the same for every number of processes and passes. It is then
divided into parts of consecutive samples, and a process reads the frames of its own parts.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor


class Divided(NamedTuple):
    """Parts of a batch that one process computes."""

    parts: tuple[Any, ...]
    """Batches of consecutive samples, in order."""
    samples: slice
    """Indices of the samples of the parts within the whole batch."""
    task: Tensor
    """Index of the task of each sample of the whole batch; (sample,)."""


class Divisible(Protocol):
    """Draws whose batches can be divided."""

    def divided(self, step: int, size: int, indices: Sequence[int], of: int) -> Divided:
        """Some parts of the batch that ``batch`` draws for a step.

        Args:
            step: Number of steps taken before.
            size: Approximate number of samples in the whole batch.
            indices: Consecutive indices of the requested parts.
            of: Number of all parts.
        """
        ...


class DividedDraws:
    """Draws the parts of one process; see ``Draws``.

    Args:
        draws: Draws of the whole batches.
        indices: Consecutive indices of the parts of this process.
        of: Number of all parts.
    """

    def __init__(self, draws: Divisible, indices: Sequence[int], of: int) -> None:
        self._draws, self._own, self._of = draws, indices, of

    def batch(self, step: int, size: int) -> Divided:
        """The parts of a step's batch."""
        return self._draws.divided(step, size, self._own, self._of)


def slices_of_parts(samples: int, indices: Sequence[int], of: int) -> list[slice]:
    """Slices of a batch's samples, one for each requested part, of equal length up to 1.

    Args:
        samples: Number of samples in the batch.
        indices: Indices of the parts.
        of: Number of all parts.
    """
    return [slice(samples * k // of, samples * (k + 1) // of) for k in indices]


def parts_of(batch: Any) -> tuple[Any, ...]:
    """Batches that are computed one after the other: the parts, or the undivided batch."""
    return batch.parts if isinstance(batch, Divided) else (batch,)
