"""Flags that say where trials are played and experiments computed, and for how long."""

from dataclasses import dataclass

from robomtl.errors import InputError
from robomtl.execution.compute import CELL_LIMIT, Compute
from robomtl.execution.executor import LIMIT, Executor, LocalExecutor
from robomtl.execution.machine_config import Machine
from robomtl.execution.ray_executor import RayExecutor


@dataclass(frozen=True, kw_only=True)
class ExecutorFlags:
    """Where trials are played, and when one counts as hanging."""

    workers: int = 2
    """Processes."""
    limit: float = LIMIT
    """Seconds that a step of the simulator may take before its trial counts as hanging;
    with --ray, seconds for the trials that are played side by side."""
    ray: str | None = None
    """Compute on Ray: 'local' starts it here, host:port or 'auto' connects to a cluster."""

    @property
    def executor(self) -> Executor:
        """The executor that --workers, --ray and --limit choose.

        Raises:
            InputError: If the limit is not positive.
        """
        if self.ray is None:
            return LocalExecutor(workers=self.workers, limit=self.limit)
        return RayExecutor(address=self.ray, workers=self.workers, limit=self.limit)


@dataclass(frozen=True, kw_only=True)
class ServingFlags(ExecutorFlags):
    """Where trials are played, and the device that acts in them."""

    device: str | None = "auto"
    """Hold the policy in one process on this torch device, such as cuda, and let the
    others only step envs. ``auto`` is cuda if available and no Ray is used; else, and for
    None, each process has the policy on its core."""

    @property
    def named_device(self) -> str | None:
        """The device; None where it is left open."""
        return None if self.device == "auto" else self.device

    @property
    def executor(self) -> Executor:
        """The executor that --workers, --ray and --limit choose.

        Raises:
            InputError: If both Ray and a device are given, or the limit is not positive.
        """
        if self.ray is not None and self.named_device is not None:
            raise InputError(
                "--device serves a policy to the processes of this machine; leave out"
                " --ray, or --device for a policy on the core of each Ray worker."
            )
        return super().executor


@dataclass(frozen=True, kw_only=True)
class CellFlags(ExecutorFlags):
    """Where cells that also learn are computed, and when one counts as hanging."""

    limit: float = CELL_LIMIT
    """Seconds without progress, such as a step of training or of the simulator, after
    which a cell counts as hanging and is tried again."""


@dataclass(frozen=True, kw_only=True)
class ComputeFlags(CellFlags, Machine):
    """Where an experiment is computed, and when a cell counts as hanging."""

    @property
    def compute(self) -> Compute:
        """What an experiment is given."""
        return Compute(
            executor=None if self.ray is None else self.executor,
            workers=self.workers,
            limit=self.limit,
            machine=Machine(device=self.device, precision=self.precision),
        )
