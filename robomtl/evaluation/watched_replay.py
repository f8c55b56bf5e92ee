"""Replay of an evaluation's trials with an observer, such as a camera.

A trial's outcome depends only on the agent and the trial, so the replay equals the
evaluation; ``difference`` checks that it ends in the same way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import gymnasium

from robomtl.acting.actor import Agent
from robomtl.errors import InputError
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.kept import KeptActor, KeptEnvs
from robomtl.evaluation.planning import planned
from robomtl.evaluation.records import Record
from robomtl.evaluation.results import Results
from robomtl.evaluation.rollout import Outcome, Until, roll
from robomtl.evaluation.trials import Chunk
from robomtl.files.request import differences, plain
from robomtl.mismatch import Mismatch
from robomtl.task import Action, Env, Observation, Suite


class StepState(NamedTuple):
    """State of a trial at one of its steps."""

    step: int
    """Number of actions so far, 0 after the reset."""
    observation: Observation
    """Latest observation."""
    action: Action | None
    """Latest action; None after the reset."""
    reward: float
    """Reward of the latest action; 0 after the reset."""
    success: bool
    """Whether the task is solved at this step."""


Watch = Callable[[Env, StepState], None]
"""Observer, called with the env after its reset and each step; must not change it."""


class RecordedTrial(NamedTuple):
    """Recorded trial, with its chunk and its row in the chunk."""

    chunk: Chunk
    row: int
    record: Record


class _Watched(gymnasium.Wrapper[Observation, Action, Observation, Action]):
    """Wrapper that calls an observer after the reset and each step."""

    def __init__(self, env: Env, watch: Watch) -> None:
        super().__init__(env)
        self._watch = watch
        self._step = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        self._step = 0
        success = bool(info["success"])
        self._watch(self.env, StepState(0, observation, None, 0.0, success))
        return observation, info

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._step += 1
        success = bool(info["success"])
        moment = StepState(
            self._step, observation, action.copy(), float(reward), success
        )
        self._watch(self.env, moment)
        return observation, float(reward), terminated, truncated, info


class Replay:
    """Plays chunks with observers of some of their trials.

    Args:
        agent: Agent, loaded once with the first chunk.
        suite: Suite of the envs without an observer.
        observed_suite: Suite of the envs with an observer, such as with a camera.
        until: Rule by which a trial ends; see ``roll``.
    """

    def __init__(
        self, agent: Agent, suite: Suite, observed_suite: Suite, until: Until
    ) -> None:
        self._actor = KeptActor(agent, suite)
        self._plain_envs = KeptEnvs(suite)
        self._observed_envs = KeptEnvs(observed_suite)
        self._until: Until = until

    def __call__(self, chunk: Chunk, watches: Mapping[int, Watch]) -> list[Outcome]:
        """Plays a chunk; returns the outcome of each trial.

        Args:
            chunk: Chunk, played as a whole, so that the observed trials do not differ.
            watches: Observers, by row of the chunk.
        """
        others = len(chunk.trials) - len(watches)
        plain = iter(self._plain_envs.of(chunk.task, others))
        observed = iter(self._observed_envs.of(chunk.task, len(watches)))
        envs = [
            _Watched(next(observed), watches[row]) if row in watches else next(plain)
            for row in range(len(chunk.trials))
        ]
        return roll(envs, self._actor.get(), chunk, until=self._until)


def recorded_trials(
    results: Results, agent: Agent, suite: Suite
) -> tuple[RecordedTrial, ...]:
    """Chunk and row of each trial of an evaluation, in the order of its records.

    Raises:
        ValueError: If the agent or the suite differs from the evaluated one, or the trials
            have other instructions now; names the differences.
    """
    setting = results.setting
    evaluated = {
        "fingerprint": setting.fingerprint,
        "suite": setting.suite,
        "options": plain(setting.options),
    }
    current = {
        "fingerprint": agent.fingerprint,
        "suite": suite.name,
        "options": plain(suite.options),
    }
    _refuse(differences(evaluated, current))
    tasks = dict.fromkeys(record.task for record in results.records)
    conditions = Conditions.recorded({**vars(setting), "tasks": tuple(tasks)})
    return tuple(_matched(planned(suite, conditions).chunks, results))


def difference(record: Record, outcome: Outcome) -> str:
    """Differences of an outcome from the recorded one, in words; empty if there are none."""
    if outcome.error is not None and record.error is None:
        return f"it failed when it was played again, {outcome.error}"
    names = [each.name for each in fields(Outcome) if each.name != "seconds"]
    evaluated, replayed = (
        {name: getattr(each, name) for name in names} for each in (record, outcome)
    )
    sides = ("in the evaluation", "when played again")
    return "; ".join(each.phrase(sides) for each in differences(evaluated, replayed))


def _matched(chunks: tuple[Chunk, ...], results: Results) -> Iterator[RecordedTrial]:
    played = [(chunk, row) for chunk in chunks for row in range(len(chunk.trials))]
    for (chunk, row), record in zip(played, results.records, strict=True):
        trial, task_info = chunk.trials[row], chunk.task_infos[row]
        current = {**vars(trial), "instruction": task_info.instruction}
        evaluated = {name: getattr(record, name) for name in current}
        _refuse(differences(evaluated, current))
        yield RecordedTrial(chunk, row, record)


def _refuse(differing: Iterable[Mismatch]) -> None:
    sides = ("in the evaluation", "now")
    listed = "; ".join(each.phrase(sides) for each in differing)
    if listed:
        raise InputError(f"These are not the trials that were evaluated: {listed}.")
