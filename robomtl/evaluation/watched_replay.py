"""Trials of an evaluation, played again while somebody watches.

A trial's outcome depends on the agent and the trial alone, so what is seen is what was
counted; that it ended in the same way is checked nevertheless.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import gymnasium

from robomtl.acting.actor import Agent, KeptActor
from robomtl.errors import InputError
from robomtl.evaluation.conditions import Conditions, chunks_of
from robomtl.evaluation.records import Record
from robomtl.evaluation.results import Results
from robomtl.evaluation.rollout import Outcome, Until, roll
from robomtl.evaluation.trials import Chunk
from robomtl.evaluation.work import KeptEnvs
from robomtl.files.request import differences, plain
from robomtl.mismatch import Mismatch
from robomtl.task import Action, Env, Observation, Suite


class Moment(NamedTuple):
    """A trial at one of its steps."""

    step: int
    """Actions taken so far, 0 at the start."""
    observation: Observation
    """What they led to."""
    action: Action | None
    """The last one; None at the start."""
    reward: float
    """Reward of the last action; 0 at the start."""
    success: bool
    """Whether the task is solved now."""


Watch = Callable[[Env, Moment], None]
"""Is shown the env at every moment of a trial, and leaves it as it is."""


class Place(NamedTuple):
    """A recorded trial, and its row in the chunk in which it was played."""

    chunk: Chunk
    row: int
    record: Record


class _Watched(gymnasium.Wrapper[Observation, Action, Observation, Action]):
    """An env that somebody watches."""

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
        self._watch(self.env, Moment(0, observation, None, 0.0, success))
        return observation, info

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._step += 1
        success = bool(info["success"])
        moment = Moment(self._step, observation, action.copy(), float(reward), success)
        self._watch(self.env, moment)
        return observation, float(reward), terminated, truncated, info


class Replay:
    """Plays chunks with some of their trials watched.

    Args:
        agent: Loaded once, when the first chunk comes.
        suite: Makes the envs of trials that nobody watches.
        seen: The suite whose envs are watched.
        until: See ``roll``.
    """

    def __init__(self, agent: Agent, suite: Suite, seen: Suite, until: Until) -> None:
        self._actor = KeptActor(agent, suite)
        self._unseen = KeptEnvs(suite)
        self._seen = KeptEnvs(seen)
        self._until: Until = until

    def __call__(self, chunk: Chunk, watches: Mapping[int, Watch]) -> list[Outcome]:
        """How each trial of the chunk went.

        Args:
            chunk: Played whole, as it was, so that nothing differs for those watched.
            watches: Who watches, by row of the chunk.
        """
        others = len(chunk.trials) - len(watches)
        unseen = iter(self._unseen.of(chunk.task, others))
        seen = iter(self._seen.of(chunk.task, len(watches)))
        envs = [
            _Watched(next(seen), watches[row]) if row in watches else next(unseen)
            for row in range(len(chunk.trials))
        ]
        return roll(envs, self._actor.get(), chunk, until=self._until)


def places(results: Results, agent: Agent, suite: Suite) -> tuple[Place, ...]:
    """The chunk and row of each trial of an evaluation, in the order of its records.

    Raises:
        ValueError: If the agent or the suite is another one than was evaluated, or the
            trials have other instructions now; names what differs.
    """
    setting = results.setting
    there = {
        "fingerprint": setting.fingerprint,
        "suite": setting.suite,
        "options": plain(setting.options),
    }
    here = {
        "fingerprint": agent.fingerprint,
        "suite": suite.name,
        "options": plain(suite.options),
    }
    _refuse(differences(there, here))
    tasks = dict.fromkeys(record.task for record in results.records)
    conditions = Conditions.recorded({**vars(setting), "tasks": tuple(tasks)})
    dealt = _dealt(chunks_of(suite, conditions), results)
    return tuple(dealt)


def difference(record: Record, outcome: Outcome) -> str:
    """How an outcome differs from the recorded one; empty if it does not."""
    if outcome.error is not None and record.error is None:
        return f"it broke off when it was played again, {outcome.error}"
    names = [each.name for each in fields(Outcome) if each.name != "seconds"]
    there, here = (
        {name: getattr(each, name) for name in names} for each in (record, outcome)
    )
    sides = ("in the evaluation", "when played again")
    return "; ".join(each.phrase(sides) for each in differences(there, here))


def _dealt(chunks: tuple[Chunk, ...], results: Results) -> Iterator[Place]:
    played = [(chunk, row) for chunk in chunks for row in range(len(chunk.trials))]
    for (chunk, row), record in zip(played, results.records, strict=True):
        trial, task_info = chunk.trials[row], chunk.task_infos[row]
        here = {**vars(trial), "instruction": task_info.instruction}
        there = {name: getattr(record, name) for name in here}
        _refuse(differences(there, here))
        yield Place(chunk, row, record)


def _refuse(differing: Iterable[Mismatch]) -> None:
    sides = ("in the evaluation", "here")
    listed = "; ".join(each.phrase(sides) for each in differing)
    if listed:
        raise InputError(f"These are not the trials that were evaluated: {listed}.")
