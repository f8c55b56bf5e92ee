"""With what something is computed: processes or a cluster, device, and time."""

from dataclasses import dataclass, field, replace

from robomtl.errors import InputError
from robomtl.execution.executor import LIMIT, Executor, LocalExecutor
from robomtl.execution.machine_config import Machine
from robomtl.ranges import check_types, settings

CELL_LIMIT = 3600.0
"""Longest time without progress of a cell, unless another is given [s]: a method may take
long before its policy acts."""


@settings
@dataclass(frozen=True, kw_only=True)
class Compute:
    """With what something is computed; results do not depend on it but for devices."""

    workers: int = 2
    """Processes on this machine, unless an executor is given."""
    limit: float | None = None
    """Longest time without progress of a worker, such as a step of a simulator or of a
    training, after which its work is tried again [s]; the executor's own where one is
    given. None is 600 where episodes are played or collected, and 3600 for the cells of an
    experiment, which may train."""
    machine: Machine = field(default_factory=Machine)
    """Device and precision of trainings and adaptations; ``auto`` is resolved once,
    recorded in the folder, and kept. Policies act on the CPU, see ``serve``."""
    executor: Executor | None = None
    """Runs the work; with ``robomtl.RayExecutor``, on a Ray cluster."""

    def __post_init__(self) -> None:
        """Checks the types, and that there is a process and time for it.

        Raises:
            InputError: If a value is of another type or range.
        """
        check_types(self)
        if self.executor is None:
            self._executor(CELL_LIMIT)  # Refused here, before a folder is made.

    @property
    def executed(self) -> Executor:
        """The executor of cells, which may train."""
        return self._executor(CELL_LIMIT)

    @property
    def playing(self) -> Executor:
        """The executor of episodes, in which nothing is trained.

        Raises:
            InputError: If a device or a precision is given, which would do nothing.
        """
        if self.machine != Machine():
            raise InputError(
                f"machine is {self.machine}, which nothing here trains with; leave it"
                " out, and give a policy its device by robomtl.serve."
            )
        return self._executor(LIMIT)

    @property
    def here(self) -> "Compute":
        """As many processes on this machine: for episodes that are collected first."""
        return Compute(workers=self.executed.workers)

    def within(self, limit: float) -> "Compute":
        """The same for episodes alone, whose steps take no longer than a limit.

        Args:
            limit: Applies where a greater one is given, or none [s].
        """
        least = limit if self.limit is None else min(self.limit, limit)
        return replace(self, limit=least, machine=Machine())

    def _executor(self, usual: float) -> Executor:
        limit = usual if self.limit is None else self.limit
        return self.executor or LocalExecutor(workers=self.workers, limit=limit)
