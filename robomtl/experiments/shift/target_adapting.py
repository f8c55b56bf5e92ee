"""Adaptation of a policy to a shift before it is played under it.

- ``renormalise`` re-estimates the statistics that standardise states, from observations in
  the policy's own episodes without and with the shift: it adds the difference of the means
  to the mean, and multiplies the standard deviation by the ratio of standard deviations.
  Episodes are paired by variation and truncated to the shorter of the pair, so that the
  statistics stay the same without a shift.
- ``finetune`` fine-tunes on demonstrations under the shift, separately for each task; see
  ``robomtl.adaptation``.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from robomtl import checkpoint
from robomtl.adaptation.adapting import adapt_by, configure
from robomtl.adaptation.method import Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import Card, TrainedPolicy
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.errors import InputError
from robomtl.evaluation.trials import plan as trials_plan
from robomtl.execution.compute import Compute
from robomtl.experiments.playing import play_trials
from robomtl.experiments.shift.shift_plan import NONE
from robomtl.experiments.shift.shifted_envs import ShiftedEnvs
from robomtl.features import STATE
from robomtl.layers.normaliser import Normaliser
from robomtl.names import file_name
from robomtl.shifts.shifted_env import Range
from robomtl.shifts.shifted_suite import ShiftedSuite
from robomtl.task import Action, Env, Observation, Suite

States = Mapping[tuple[str, int], Sequence[Observation]]
"""Observations of episodes, by task and variation."""


class _Watched(gymnasium.Wrapper[Observation, Action, Observation, Action]):
    """An env wrapper that records the observations of each episode."""

    def __init__(
        self, env: Env, task: str, episodes: dict[tuple[str, int], Any]
    ) -> None:
        super().__init__(env)
        self._task, self._episodes = task, episodes
        self._episode: list[Observation] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode and its record."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._episode = [observation]
        self._episodes[self._task, (options or {})["variation"]] = self._episode
        return observation, info

    def step(
        self, action: Action
    ) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        """Executes an action and records the observation."""
        observation, *rest = self.env.step(action)
        self._episode.append(observation)
        return observation, *rest  # type: ignore[return-value]


class _WatchedEnvs(ShiftedEnvs):
    """Envs under shifts that record their observations."""

    def __init__(self, suite: Suite, ranges: Mapping[str, Range]) -> None:
        super().__init__(suite)
        self.ranges = ranges
        self.episodes: dict[tuple[str, int], Any] = {}

    def of(self, task: str, count: int) -> list[Env]:
        """At least ``count`` recording envs of a task."""
        return [_Watched(env, task, self.episodes) for env in super().of(task, count)]


def episodes_under(
    trained: TrainedPolicy,
    suite: Suite,
    tasks: Sequence[str],
    ranges: Mapping[str, Range],
    *,
    episodes: int,
) -> States:
    """The observations of a policy in its own episodes of the split ``train``.

    Args:
        trained: The policy.
        suite: The suite without shifts.
        tasks: Names of the tasks.
        ranges: Ranges of the magnitudes, by name of the shift.
        episodes: Number of episodes of each task.
    """
    envs = _WatchedEnvs(suite, ranges)
    trials = trials_plan(suite, tasks, split="train", episodes=episodes)
    play_trials(trained, suite, trials, envs)
    envs.close()
    return envs.episodes


def renormalised(
    trained: TrainedPolicy, source: States, target: States
) -> TrainedPolicy:
    """A copy of the policy with statistics re-estimated for the target; see the module.

    Args:
        trained: The policy; not modified.
        source: Observations without the shift.
        target: Observations under the shift, in episodes of the same variations.
    """
    lengths = {key: min(len(source[key]), len(target[key])) for key in source}
    before, after = (_stacked(each, lengths) for each in (source, target))
    policy = copy.deepcopy(trained.policy)
    stds = [each.std(0).clamp(min=Normaliser.FLOOR) for each in (before, after)]
    policy.normaliser.mean += after.mean(0) - before.mean(0)
    policy.normaliser.std *= stds[1] / stds[0]
    return checkpoint.packed(policy, trained.card)


def _stacked(every: States, lengths: Mapping[tuple[str, int], int]) -> Tensor:
    rows = [each[STATE] for key, n in lengths.items() for each in every[key][:n]]
    return torch.from_numpy(np.stack(rows))


def check_renormalisable(label: str, card: Card) -> None:
    """Refuses a policy that reads anything but the state of one robot.

    Raises:
        InputError: If the policy reads other features, or the states of several robots.
    """
    first, *others = card.spec.embodiments
    if others or {*first.observation} != {STATE}:
        raise InputError(
            f"renormalise re-estimates the statistics of one robot's state, and {label}"
            f" reads {', '.join(first.observation)}"
            f"{' of several robots' if others else ''}; leave it out."
        )


def demonstrations_in(folder: Path, shift: str, magnitude: float) -> Path:
    """Folder of the demonstrations under a shift, within the experiment's folder."""
    return folder / "demonstrations" / file_name(f"{shift}={magnitude:g}")


def collect_under(
    suite: Suite,
    conditions: Iterable[tuple[str, float]],
    out: Path,
    *,
    tasks: Sequence[str],
    shots: int,
    compute: Compute,
) -> None:
    """Collects demonstrations for fine-tuning, without disturbing the expert.

    Args:
        suite: The suite without shifts.
        conditions: Shifts and magnitudes; ``none`` for no shift.
        out: Folder of the experiment.
        tasks: Names of the tasks.
        shots: Demonstrations of each task.
        compute: Processes that collect.

    Raises:
        ValueError: If an expert fails too often under a shift; see ``collect``.
    """
    for shift, at in conditions:
        under = suite if shift == NONE else ShiftedSuite(suite, f"{shift}={at:g}")
        folder = demonstrations_in(out, shift, at)
        config = CollectionConfig(tasks=tasks, episodes=shots, noise=0.0)
        collect(under, folder, config=config, compute=compute)


def finetuned(
    trained: TrainedPolicy, data: Path, task: str, *, shots: int, seed: int
) -> TrainedPolicy:
    """The policy, fine-tuned on the first demonstrations of a task.

    Args:
        trained: The policy; not modified.
        data: Folder of the demonstrations.
        task: Name of the task.
        shots: Number of demonstrations.
        seed: Seed of the gradient steps.
    """
    support = Support(demonstrations=Demonstrations(data).select([task], shots))
    made, _ = adapt_by(configure("finetune", {}), trained, support, Budget(), seed)
    return made
