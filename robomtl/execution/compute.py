"""Compute resources of a run: processes or a cluster, device, and time limit."""

from dataclasses import dataclass, field, replace

from robomtl.errors import InputError
from robomtl.execution.executor import LIMIT, Executor, LocalExecutor
from robomtl.execution.machine_config import Machine
from robomtl.ranges import check_types, settings

CELL_LIMIT = 3600.0
"""Default of the longest time without progress of an experiment's cell [s]; a method may
train for long before its policy acts."""


@settings
@dataclass(frozen=True, kw_only=True)
class Compute:
    """Compute resources of a run; results depend on the device and the precision only."""

    workers: int = 2
    """Number of worker processes on this machine; ignored if an executor is given."""
    limit: float | None = None
    """Longest time without progress of a worker, such as a step of a simulator or of a
    training, after which its work is tried again [s]; ignored if an executor is given.
    None is 600 where episodes are played or collected, and 3600 for the cells of an
    experiment, which may train."""
    machine: Machine = field(default_factory=Machine)
    """Device and precision of trainings and adaptations; ``auto`` is resolved once,
    recorded in the folder, and kept. Policies act on the CPU; see ``serve`` for others."""
    executor: Executor | None = None
    """Executor of the work, such as ``robomtl.RayExecutor``; None for local processes."""

    def __post_init__(self) -> None:
        """Checks the types, the number of workers and the limit.

        Raises:
            InputError: If a value has the wrong type or is out of range.
        """
        check_types(self)
        if self.executor is None:
            self._executor(CELL_LIMIT)  # Refused here, before a folder is made.

    @property
    def executed(self) -> Executor:
        """Executor for the cells of an experiment, which may train."""
        return self._executor(CELL_LIMIT)

    @property
    def playing(self) -> Executor:
        """Executor for episodes, in which nothing is trained.

        Raises:
            InputError: If a device or a precision is given, which would have no effect.
        """
        if self.machine != Machine():
            raise InputError(
                f"machine is {self.machine}, but nothing is trained here; leave it"
                " out, and place a policy on a device with robomtl.serve."
            )
        return self._executor(LIMIT)

    @property
    def local(self) -> "Compute":
        """Same number of processes on this machine, for episodes that are collected first."""
        return Compute(workers=self.executed.workers)

    def within(self, limit: float) -> "Compute":
        """Copy for work that only plays episodes, with a limit of at most this.

        Args:
            limit: Upper bound of the time without progress [s].
        """
        least = limit if self.limit is None else min(self.limit, limit)
        return replace(self, limit=least, machine=Machine())

    def _executor(self, usual: float) -> Executor:
        limit = usual if self.limit is None else self.limit
        return self.executor or LocalExecutor(workers=self.workers, limit=limit)
