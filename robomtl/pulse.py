"""How a worker shows that it moves on, how far it is, and which trial it would die of.

A worker notes each step of a simulator, and of a training, in memory that it shares with the process that
started it. That process tells a slow simulator from one that hangs, and knows which trial
a worker was at when it died.
"""

from collections.abc import Mapping, MutableSequence
from typing import NamedTuple


class Beat(NamedTuple):
    """What a worker noted last."""

    beats: int = 0
    """How often it noted anything."""
    trial: int = 0
    """Key of the trial whose simulator it is in; 0 for none."""
    thousandths: int = 0
    """How much of its item is done."""


class Pulse:
    """What this process notes of the work it does.

    Args:
        memory: Whole numbers, the fields of a ``Beat``.
    """

    def __init__(self, memory: MutableSequence[int]) -> None:
        self._memory = memory
        self.lost: Mapping[int, str] = {}
        """Why trials have no outcome of which workers died or hung, by their keys; they
        are not to be played."""

    def share(self, memory: MutableSequence[int]) -> None:
        """Notes into other memory from now on."""
        self._memory = memory

    def beat(self, trial: int = 0) -> None:
        """Notes that this process moves on.

        Args:
            trial: Key of the trial whose simulator is about to compute, ``Trial.seed``;
                0 for anything else.
        """
        self._memory[1] = trial
        self._memory[0] += 1

    def reach(self, fraction: float) -> None:
        """Notes how much of its item this process has done."""
        self._memory[2] = int(1000 * fraction)
        self.beat()


PULSE = Pulse([0, 0, 0])
"""That of this process, which nobody reads unless it is a worker."""
