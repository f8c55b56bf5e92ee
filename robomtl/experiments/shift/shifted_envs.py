"""The envs of a worker, under shifts that change from cell to cell."""

from collections.abc import Mapping

from robomtl.evaluation.work import KeptEnvs
from robomtl.shifts.shifted_env import Range
from robomtl.shifts.shifted_suite import shifted_env
from robomtl.task import Env, Suite


class ShiftedEnvs(KeptEnvs):
    """The envs of the last task.

    Args:
        suite: Without shifts.
    """

    def __init__(self, suite: Suite) -> None:
        super().__init__(suite)
        self.ranges: Mapping[str, Range] = {}
        """Ranges of the magnitudes, by the names of the shifts."""

    def of(self, task: str, count: int) -> list[Env]:
        """Envs of a task under the shifts, at least this many."""
        return [
            shifted_env(self._suite, task, env, self.ranges)
            for env in super().of(task, count)
        ]
