"""With what an experiment is computed: processes or a cluster, device, and time."""

from dataclasses import dataclass, field

from robomtl.executor import Executor, LocalExecutor
from robomtl.machine import Machine

CELL_LIMIT = 3600.0
"""Longest time without progress of a cell, unless another is given [s]: a method may take
long before its policy acts."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """With what an experiment is computed; results do not depend on it but for devices."""

    workers: int = 2
    """Processes on this machine, unless an executor is given."""
    limit: float = CELL_LIMIT
    """Longest time without progress of a worker, such as a step of a simulator or of a
    training, after which its cell is tried again [s]; the executor's own where one is
    given."""
    machine: Machine = field(default_factory=Machine)
    """Device and precision of trainings and adaptations; ``auto`` is resolved once,
    recorded in the folder, and kept. Policies act on the CPU."""
    executor: Executor | None = None
    """Runs the cells; with ``robomtl.RayExecutor``, on a Ray cluster."""

    @property
    def executed(self) -> Executor:
        """The executor."""
        return self.executor or LocalExecutor(workers=self.workers, limit=self.limit)
