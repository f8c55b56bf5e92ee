"""Work on one cell in a worker process: adapts the policy and plays it under a shift."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from robomtl.acting.agent import PolicyAgent
from robomtl.checkpoint import TrainedPolicy
from robomtl.evaluation.journal_lines import Done
from robomtl.experiments.playing import play_trials
from robomtl.experiments.shift.shift_plan import ShiftCell
from robomtl.experiments.shift.shifted_envs import ShiftedEnvs
from robomtl.experiments.shift.target_adapting import (
    States,
    demonstrations_in,
    episodes_under,
    finetuned,
    renormalised,
)
from robomtl.shifts.shifted_env import Range
from robomtl.task import Suite


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Policies, suite and settings shared by all cells of an experiment."""

    agents: Mapping[tuple[str, int], PolicyAgent]
    """Agents by label and seed."""
    suite: Suite
    """The suite without shifts."""
    tasks: Sequence[str]
    """Names of all tasks."""
    shots: int
    """Episodes of each task that adaptations may use."""
    folder: Path
    """Folder of the experiment."""


class PlayShifted:
    """Plays cells; keeps loaded policies and the envs of the last task between calls.

    Args:
        shared: Policies, suite and settings shared by all cells.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._envs = ShiftedEnvs(shared.suite)
        self._loaded: dict[tuple[str, int], TrainedPolicy] = {}
        self._unshifted: dict[tuple[str, int], States] = {}
        self._renormalised: dict[tuple[str, int, str, float], TrainedPolicy] = {}

    def __call__(self, cell: ShiftCell) -> Done:
        """The outcome of each trial of a cell.

        Raises:
            FloatingPointError: If the adaptation diverges.
            GaveUpError: If an action of the policy is not finite.
        """
        policy = self._adapted(cell)
        self._envs.ranges = cell.ranges
        outcomes = play_trials(policy, self._shared.suite, cell.trials, self._envs)
        return Done(outcomes)

    def _adapted(self, cell: ShiftCell) -> TrainedPolicy:
        trained, shared = self._policy(cell), self._shared
        if cell.adaptation == "renormalise":
            return self._restated(cell, trained)
        if cell.adaptation == "finetune":
            data = demonstrations_in(shared.folder, cell.shift, cell.magnitude)
            return finetuned(
                trained, data, cell.task, shots=shared.shots, seed=cell.seed
            )
        return trained

    def _policy(self, cell: ShiftCell) -> TrainedPolicy:
        key = cell.policy, cell.seed
        if key not in self._loaded:
            self._loaded[key] = self._shared.agents[key].trained()
        return self._loaded[key]

    def _restated(self, cell: ShiftCell, trained: TrainedPolicy) -> TrainedPolicy:
        key = cell.policy, cell.seed
        under = (*key, cell.shift, cell.magnitude)
        if under not in self._renormalised:
            if key not in self._unshifted:
                self._unshifted[key] = self._episodes(trained, {})
            target = self._episodes(trained, cell.ranges)
            made = renormalised(trained, self._unshifted[key], target)
            self._renormalised[under] = made
        return self._renormalised[under]

    def _episodes(self, trained: TrainedPolicy, ranges: Mapping[str, Range]) -> States:
        shared = self._shared
        return episodes_under(
            trained, shared.suite, shared.tasks, ranges, episodes=shared.shots
        )
