"""Trials played in lockstep, with one batched call of the actor at each step."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robomtl.acting.actor import Actor, ReadsImages
from robomtl.env_contract import EnvContract
from robomtl.errors import (
    GaveUpError,
    InputError,
    PlugInError,
    SimulationError,
)
from robomtl.evaluation.trials import CHUNK, Chunk
from robomtl.execution.heartbeat import HEARTBEAT
from robomtl.pictures import OnDemandPictures
from robomtl.plug_in import ENDING, described
from robomtl.returned_values import action_array, finite
from robomtl.task import Action, BatchableEnv, Env, Observation, Trial

Until = Literal["horizon", "success"]
Criterion = Literal["any step", "last step"]
"""Step at which success counts: any step, or the last."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a trial; after an error, only ``error`` and ``seconds`` are set."""

    success: bool | None = None
    """Whether the task was solved at any step."""
    success_at_end: bool | None = None
    """Whether the task was solved at the last step; None if trials stop at success."""
    first_success_step: int | None = None
    """Number of actions up to the first success, from 1; None without success."""
    length: int | None = None
    """Number of actions."""
    error: str | None = None
    """Reason why the trial has no outcome; None if it has one."""
    seconds: float = 0.0
    """Time of one core: its simulator's, and its fraction of the actor's [s]. If envs are
    stepped together, the steps of all count for the first."""

    def solved(self, criterion: Criterion) -> bool | None:
        """Whether the trial counts as solved; None after an error."""
        return self.success if criterion == "any step" else self.success_at_end


class _Episode:
    """State of a running trial."""

    def __init__(self, env: Env, trial: Trial, until: Until) -> None:
        self.trial = trial
        self.observation: Observation | None = None
        self.length = 0
        self.seconds = 0.0
        self._env = env
        self._contract = EnvContract(env, trial.task, trial.variation)
        self._announced = env if isinstance(env, BatchableEnv) else None
        self._until = until
        self._first_success: int | None = None
        self._success = False
        self._error = HEARTBEAT.lost.get(trial.seed)
        self.running = self._error is None

    def reset(self) -> None:
        start, trial = time.perf_counter(), self.trial
        HEARTBEAT.beat(trial.seed)
        try:
            result = self._env.reset(
                seed=trial.seed, options={"variation": trial.variation}
            )
        except ENDING:
            raise
        except BaseException as error:  # noqa: B036 - simulators may raise anything.
            self._fail(error)
        else:
            self.observation = self._contract.reset(result)
        self.seconds += time.perf_counter() - start

    def look(self) -> None:
        """Renders the images of the observation, if the env omitted them."""
        env, start = self._env, time.perf_counter()
        if (
            self.observation is None
            or not isinstance(env, OnDemandPictures)
            or not env.blind
        ):
            return
        HEARTBEAT.beat(self.trial.seed)
        try:
            drawn = env.pictures()
        except ENDING:
            raise
        except BaseException as error:  # noqa: B036 - simulators may raise anything.
            self._fail(error)
        else:
            checked = self._contract.pictures(drawn, self.length)
            self.observation = {**self.observation, **checked}
        self.seconds += time.perf_counter() - start

    def announce(self, action: Action) -> None:
        """Announces the next step, if the env can be stepped together with others."""
        if self._announced is not None:
            self._announced.announce(action)

    def step(self, action: Action) -> None:
        start = time.perf_counter()
        HEARTBEAT.beat(self.trial.seed)
        try:
            result = self._env.step(action)
        except ENDING:
            raise
        except BaseException as error:  # noqa: B036 - simulators may raise anything.
            self._fail(error)
            return
        self.length += 1
        stepped = self._contract.step(result, self.length)
        self.observation, self._success = stepped.observation, stepped.success
        if self._success and self._first_success is None:
            self._first_success = self.length
        enough = self._success and self._until == "success"
        self.running = not (stepped.ended or enough)
        self.seconds += time.perf_counter() - start

    @property
    def action_shape(self) -> tuple[int, ...]:
        return self._env.action_space.shape or ()

    def outcome(self) -> Outcome:
        if self._error is not None:
            return Outcome(error=self._error, seconds=self.seconds)
        return Outcome(
            success=self._first_success is not None,
            success_at_end=self._success if self._until == "horizon" else None,
            first_success_step=self._first_success,
            length=self.length,
            seconds=self.seconds,
        )

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, SimulationError):
            self._error = f"step {error.step}: {error.reason}"
        else:
            when = "reset" if self.observation is None else f"step {self.length + 1}"
            self._error = f"{when}: {described(error)}"
        self.running = False


def roll(
    envs: Sequence[Env],
    actor: Actor,
    chunk: Chunk,
    *,
    until: Until = "horizon",
    begun: Callable[[], None] | None = None,
) -> list[Outcome]:
    """Plays the trials of a chunk in lockstep; returns their outcomes.

    The batch always has ``CHUNK`` rows: the rows of finished trials, and rows beyond the
    chunk's trials, are not running, and their actions are ignored.

    Args:
        envs: Envs of the chunk's task, at least as many as it has trials.
        actor: Actor of all trials.
        chunk: Trials with their instructions.
        until: ``horizon`` plays each trial until its env ends it; ``success`` stops a
            trial once it is solved.
        begun: Called when all envs have been reset, before the first step.

    Raises:
        ValueError: If an observation or an action is not finite, or an env or the actor
            violates its contract; the message names the task and the step.
    """
    for env in envs:
        if isinstance(env, OnDemandPictures):
            env.blind = isinstance(actor, ReadsImages)
    episodes = [
        _Episode(env, trial, until)
        for env, trial in zip(envs, chunk.trials, strict=False)
    ]
    padding = CHUNK - len(episodes)
    actor.start(
        chunk.trials + chunk.trials[-1:] * padding,
        chunk.task_infos + chunk.task_infos[-1:] * padding,
    )
    for episode in episodes:
        if episode.running:
            episode.reset()
    if begun is not None:
        begun()
    running = np.zeros(CHUNK, np.bool_)
    while any(episode.running for episode in episodes):
        if isinstance(actor, ReadsImages) and actor.reads_images:
            for episode in episodes:
                if episode.running:
                    episode.look()
        running[: len(episodes)] = [episode.running for episode in episodes]
        if running.any():
            _step(episodes, actor, running)
    return [episode.outcome() for episode in episodes]


def _step(episodes: list[_Episode], actor: Actor, running: NDArray[np.bool_]) -> None:
    start = time.perf_counter()
    HEARTBEAT.beat()
    active = [episode for episode in episodes if episode.running]
    where = _where(active[0].trial, active[0].length + 1)
    try:
        given = actor(_rows(episodes), running)
    except (InputError, PlugInError) as error:
        raise type(error)(f"{where}: {error}") from error
    who = type(actor).__name__.strip("_")
    actions = action_array(given, (CHUNK, *active[0].action_shape), who, where)
    seconds = (time.perf_counter() - start) / len(active)
    if not finite(actions):
        _check_actions(episodes, actions)
    rows = [(episode, actions[row]) for row, episode in enumerate(episodes)]
    acting = [(episode, action) for episode, action in rows if episode.running]
    for episode, action in acting:
        episode.announce(action)
    for episode, action in acting:
        episode.seconds += seconds
        episode.step(action)


def _rows(episodes: list[_Episode]) -> list[Observation]:
    """Observation of every row; rows without a complete one repeat another row's."""
    observations = [
        e.observation for e in episodes if e.running and e.observation is not None
    ]
    names = observations[0].keys()  # Finished trials may have images, or lack them.
    rows = [e.observation for e in episodes]
    fill = next(row for row in rows if row is not None and row.keys() == names)
    complete = [fill if row is None or row.keys() != names else row for row in rows]
    return complete + [fill] * (CHUNK - len(complete))


def _check_actions(episodes: list[_Episode], actions: NDArray[np.float32]) -> None:
    for row, episode in enumerate(episodes):
        if episode.running and not np.isfinite(actions[row]).all():
            where = _where(episode.trial, episode.length + 1)
            raise GaveUpError(f"{where}: action {actions[row]} is not finite.")


def _where(trial: Trial, step: int) -> str:
    return f"{trial.task}, variation {trial.variation}, step {step}"
