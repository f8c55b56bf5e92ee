"""Heartbeat of a worker: number of its notes of progress, its progress, and its trial.

A worker notes each step of a simulator and of a training in memory that it shares with the
process that started it. This process can thus distinguish a slow simulator from one that
hangs, and knows which trial a worker was playing when it died.
"""

from collections.abc import Mapping, MutableSequence
from typing import NamedTuple

LIMIT = 600.0
"""Default of the longest time without progress of a worker [s]."""


class Beat(NamedTuple):
    """The latest state that a worker noted."""

    beats: int = 0
    """Number of notes so far."""
    trial: int = 0
    """Key of the trial whose simulator is computing; 0 for none."""
    thousandths: int = 0
    """Finished fraction of the worker's item, times 1000."""


class Heartbeat:
    """Notes the progress of this process.

    Args:
        memory: Integers that receive the fields of a ``Beat``.
    """

    def __init__(self, memory: MutableSequence[int]) -> None:
        self._memory = memory
        self.lost: Mapping[int, str] = {}
        """Reasons, by trial key, for trials that are skipped because workers died or hung
        in them."""
        self.limit = LIMIT
        """Longest time without a note, after which this process is replaced [s]."""

    @property
    def latest(self) -> Beat:
        """The latest note."""
        return Beat(*self._memory)

    def share(self, memory: MutableSequence[int]) -> None:
        """Writes to this memory from now on, such as shared memory."""
        self._memory = memory

    def beat(self, trial: int = 0) -> None:
        """Notes that this process progresses.

        Args:
            trial: Key (``Trial.seed``) of the trial whose simulator is about to compute;
                0 for anything else.
        """
        self._memory[1] = trial
        self._memory[0] += 1

    def reach(self, fraction: float) -> None:
        """Notes the finished fraction of this process's item, 0 to 1."""
        self._memory[2] = int(1000 * fraction)
        self.beat()


HEARTBEAT = Heartbeat([0, 0, 0])
"""Heartbeat of this process; it is read only if the process is a worker."""
