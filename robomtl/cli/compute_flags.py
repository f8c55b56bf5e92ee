"""Flags for worker processes, clusters, devices and time limits."""

from dataclasses import dataclass

from robomtl.errors import InputError
from robomtl.execution.compute import CELL_LIMIT, Compute
from robomtl.execution.executor import LIMIT, Executor, LocalExecutor
from robomtl.execution.machine_config import Machine
from robomtl.execution.ray_executor import RayExecutor


@dataclass(frozen=True, kw_only=True)
class ExecutorFlags:
    """Workers in which trials run, and the time after which a trial counts as hanging."""

    workers: int = 2
    """Number of worker processes."""
    limit: float = LIMIT
    """Seconds that a step of the simulator may take before its trial counts as hanging;
    with --ray, seconds for all trials that run side by side in a worker."""
    ray: str | None = None
    """Compute on Ray: 'local' starts it here, host:port or 'auto' connects to a cluster."""

    @property
    def executor(self) -> Executor:
        """The executor for --workers, --ray and --limit.

        Raises:
            InputError: If the limit is not positive.
        """
        if self.ray is None:
            return LocalExecutor(workers=self.workers, limit=self.limit)
        return RayExecutor(address=self.ray, workers=self.workers, limit=self.limit)


@dataclass(frozen=True, kw_only=True)
class ServingFlags(ExecutorFlags):
    """Workers in which trials run, and the device of the policy."""

    device: str | None = "auto"
    """Run the policy in one process on this torch device, such as cuda, while workers only
    step envs. ``auto``: cuda if available and without --ray; otherwise, and with None, each
    worker runs the policy on its CPU core."""

    @property
    def named_device(self) -> str | None:
        """The device; None for ``auto``."""
        return None if self.device == "auto" else self.device

    @property
    def executor(self) -> Executor:
        """The executor for --workers, --ray and --limit.

        Raises:
            InputError: If both Ray and a device are given, or the limit is not positive.
        """
        if self.ray is not None and self.named_device is not None:
            raise InputError(
                "--device serves a policy to the processes of this machine; leave out"
                " --ray, or leave out --device to run the policy on each Ray worker's core."
            )
        return super().executor


@dataclass(frozen=True, kw_only=True)
class CellFlags(ExecutorFlags):
    """Workers that compute cells, and the time after which a cell counts as hanging."""

    limit: float = CELL_LIMIT
    """Seconds without progress, such as a step of training or of the simulator, after
    which a cell counts as hanging and is tried again."""


@dataclass(frozen=True, kw_only=True)
class ComputeFlags(CellFlags, Machine):
    """Workers and device of an experiment, and the time limit of its cells."""

    @property
    def compute(self) -> Compute:
        """The flags as the argument ``compute`` of an experiment."""
        return Compute(
            executor=None if self.ray is None else self.executor,
            workers=self.workers,
            limit=self.limit,
            machine=Machine(device=self.device, precision=self.precision),
        )
