"""The envs that a worker keeps, under shifts that change from cell to cell."""

from collections.abc import Mapping

from robomtl.evaluation.kept import KeptEnvs
from robomtl.shifts.shifted_env import Range
from robomtl.shifts.shifted_suite import shifted_env
from robomtl.task import Env, Suite


class ShiftedEnvs(KeptEnvs):
    """Keeps the envs of the last task and wraps them in the current shifts.

    Args:
        suite: The suite without shifts.
    """

    def __init__(self, suite: Suite) -> None:
        super().__init__(suite)
        self.ranges: Mapping[str, Range] = {}
        """Ranges of the magnitudes of the current shifts, by name."""

    def of(self, task: str, count: int) -> list[Env]:
        """At least ``count`` envs of a task under the current shifts."""
        return [
            shifted_env(self._suite, task, env, self.ranges)
            for env in super().of(task, count)
        ]
