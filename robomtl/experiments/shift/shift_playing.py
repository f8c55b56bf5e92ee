"""What a worker process does with a cell: it plays a policy under a shift."""

from collections.abc import Mapping

import torch

from robomtl.agent import PolicyAgent
from robomtl.checkpoint import TrainedPolicy
from robomtl.evaluation.journal import Done
from robomtl.evaluation.work import KeptEnvs
from robomtl.experiments.playing import play_trials
from robomtl.experiments.shift.shift_plan import NONE, ShiftCell
from robomtl.shifts.shifted_env import Range
from robomtl.shifts.shifted_suite import shifted_env
from robomtl.task import Env, Suite
from robomtl.versions import processor


class _ShiftedEnvs(KeptEnvs):
    """The envs of the last task, under shifts that change from cell to cell."""

    def __init__(self, suite: Suite) -> None:
        super().__init__(suite)
        self.ranges: Mapping[str, Range] = {}

    def of(self, task: str, count: int) -> list[Env]:
        """Envs of a task under the shifts, at least this many."""
        return [
            shifted_env(self._suite, task, env, self.ranges)
            for env in super().of(task, count)
        ]


class PlayShifted:
    """Plays cells; a process keeps policies and the envs of the last task.

    Args:
        agents: By label and seed.
        suite: Without shifts.
    """

    def __init__(
        self, agents: Mapping[tuple[str, int], PolicyAgent], suite: Suite
    ) -> None:
        self._agents, self._suite = agents, suite
        self._envs = _ShiftedEnvs(suite)
        self._loaded: dict[tuple[str, int], TrainedPolicy] = {}

    def __call__(self, cell: ShiftCell) -> Done:
        """How each trial of a cell went."""
        torch.set_num_threads(1)  # Each worker has a core; sums depend on the number.
        at = cell.magnitude
        self._envs.ranges = {} if cell.shift == NONE else {cell.shift: (at, at)}
        policy = self._policy(cell.policy, cell.seed)
        outcomes = play_trials(policy, self._suite, cell.trials, self._envs)
        return Done(outcomes, processor())

    def _policy(self, label: str, seed: int) -> TrainedPolicy:
        if (label, seed) not in self._loaded:
            self._loaded[label, seed] = self._agents[label, seed].trained()
        return self._loaded[label, seed]
