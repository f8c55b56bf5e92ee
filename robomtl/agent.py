"""A trained policy as an agent: the run directory evaluated in worker processes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robomtl import checkpoint
from robomtl.actor import Agent, TaskInfo
from robomtl.checkpoint import Card, TrainedPolicy
from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.evaluation.experts import EXPERT, ExpertAgent
from robomtl.evaluation.trials import CHUNK
from robomtl.paths import located
from robomtl.plug_in import looked_at
from robomtl.policy import Memory, Policy, actions_of
from robomtl.task import (
    Observation,
    Suite,
    Task,
    Trial,
    goal_place,
    own_goal_places,
)
from robomtl.untrusted import read_json

# Every forward pass has this many rows, whatever runs beside a trial: matrix products
# of another shape may round differently, and a result must not depend on company.
ROWS = CHUNK


class Asked(NamedTuple):
    """What a policy is asked for: the next actions in a group of ``ROWS`` trials."""

    group: int
    """Place of the group among those of its actor."""
    first: bool
    """Whether the trials begin; what was remembered for the group is forgotten."""
    state: NDArray[np.float32]
    """(row, state)."""
    told: NDArray[np.float32]
    """The task embedding; (row, embedding)."""
    seed: int
    """Of what the policy draws for the group."""


Predict = Callable[[Asked], NDArray[np.float32]]
"""Answers with an action chunk; (row, chunk, action)."""


class Predictor:
    """Asks a policy in this process, group by group, and keeps its memories.

    Args:
        policy: Predicts on the CPU.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._memories: dict[int, Memory | None] = {}

    @torch.inference_mode()
    def __call__(self, asked: Asked) -> NDArray[np.float32]:
        """The next actions of a group; (row, chunk, action)."""
        torch.default_generator.manual_seed(asked.seed)
        chunk, self._memories[asked.group] = actions_of(
            self._policy,
            {"state": torch.from_numpy(asked.state)},
            torch.from_numpy(asked.told),
            None if asked.first else self._memories[asked.group],
        )
        return chunk.numpy()


class PolicyActor:
    """Lets a trained policy act in a batch of trials.

    It takes all actions of a predicted chunk before the next prediction. What the policy
    draws comes from torch's default generator, seeded anew for each prediction by the
    first trial of its batch: batches are dealt before anything runs, so a trial's draws
    are its own whatever else is played.

    Args:
        conditioning: How the policy is told its task.
        predict: Asks the policy, wherever it is.
    """

    def __init__(self, conditioning: Conditioning, predict: Predict) -> None:
        self._conditioning = conditioning
        self._predict = predict
        self._fixed = torch.zeros(0, 0)
        self._goals: dict[int, tuple[slice, tuple[float, ...]]] = {}
        self._seeds: list[int] = []
        self._predictions = 0
        self._chunk = np.zeros((0, 0, 0), np.float32)
        self._taken = 0

    def start(self, trials: Sequence[Trial], told: Sequence[TaskInfo]) -> None:
        """Forgets earlier trials and embeds what these are told."""
        fixed = self._conditioning.fixed(told)
        rows = -len(trials) % ROWS
        self._fixed = torch.cat([fixed, fixed.new_zeros(rows, fixed.shape[1])])
        self._goals = {
            row: (slice(*self._conditioning.goal_of(each.task)), each.goal)
            for row, each in enumerate(told)
            if each.goal is not None
        }
        self._seeds = [trial.seed for trial in trials[::ROWS]]
        self._predictions = 0
        self._chunk = np.zeros((len(trials), 0, 0), np.float32)
        self._taken = 0

    def __call__(
        self, observations: Sequence[Observation], running: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Actions for every trial; (trial, action)."""
        if self._taken >= self._chunk.shape[1]:
            self._chunk, self._taken = self._next(observations), 0
        self._taken += 1
        return self._chunk[: len(observations), self._taken - 1]

    def _next(self, observations: Sequence[Observation]) -> NDArray[np.float32]:
        state = torch.zeros(len(self._fixed), len(observations[0]["state"]))
        state[: len(observations)] = torch.from_numpy(
            np.stack([observation["state"] for observation in observations])
        )
        for row, (place, goal) in self._goals.items():
            state[row, place] = torch.tensor(goal)
        embedding = self._conditioning.embedding(self._fixed, state)
        parts = zip(torch.split(state, ROWS), torch.split(embedding, ROWS), strict=True)
        chunks = [
            self._predict(self._asked(group, *part)) for group, part in enumerate(parts)
        ]
        self._predictions += 1
        return np.concatenate(chunks)

    def _asked(self, group: int, state: Tensor, told: Tensor) -> Asked:
        # The generator keeps 32 bits of a seed; the factor, odd, gives each step another.
        seed = (self._seeds[group] + 2_654_435_761 * self._predictions) % 2**32
        return Asked(group, self._predictions == 0, state.numpy(), told.numpy(), seed)


@dataclass(frozen=True)
class PolicyAgent:
    """A run directory as an agent; workers read the policy from it."""

    run: Path | str
    """Run directory in which training has finished."""
    fingerprint: str = field(init=False)
    """sha256 of weights and card."""
    card: Card = field(init=False, repr=False, compare=False)
    """What the policy is and was trained for."""

    def __post_init__(self) -> None:
        """Reads the policy once.

        Raises:
            ValueError: If the folder holds no policy, or a broken one.
        """
        trained = checkpoint.load(self.run)
        # Workers may have another working directory.
        object.__setattr__(self, "run", located(self.run))
        object.__setattr__(self, "fingerprint", trained.fingerprint)
        object.__setattr__(self, "card", trained.card)

    @property
    def name(self) -> str:
        """The run directory's name."""
        return Path(self.run).resolve().name

    @property
    def argument(self) -> str | None:
        """The run directory's full path; None for a class derived from this one."""
        return str(Path(self.run).resolve()) if type(self) is PolicyAgent else None

    @property
    def conditioning_kinds(self) -> tuple[str, ...]:
        """Kinds of conditioning of the policy."""
        return tuple(self.card.conditioning.kinds)

    @property
    def settings(self) -> dict[str, Any]:
        """How it was trained, for reports; empty where the folder does not say."""
        path = Path(self.run) / "run.json"
        return read_json(path, dict[str, Any]) if path.exists() else {}

    def check(self, suite: Suite) -> None:
        """Refuses a suite whose observation, action, goal or tasks do not fit.

        Raises:
            InputError: Saying which feature does not fit.
        """
        card, tasks = self.card, [*suite.train_tasks, *suite.held_out_tasks]
        for feature, size in _sizes(suite, tasks[0].name).items():
            if size != getattr(card.spec, feature):
                raise InputError(
                    f"{self.name} takes {feature} of length "
                    f"{getattr(card.spec, feature)}; {suite.name} has {size}."
                )
        if "goal" in card.conditioning.kinds:
            self._check_goal(suite, tasks)
        known = card.conditioning.tasks
        strange = [task.name for task in tasks if task.name not in known]
        if "one_hot" in card.conditioning.kinds and strange:
            raise InputError(
                f"{self.name} is conditioned on a one-hot code, which does not include "
                f"'{strange[0]}'; it knows {', '.join(known)}."
            )

    def _check_goal(self, suite: Suite, tasks: Sequence[Task]) -> None:
        told, state = self.card.conditioning, self.card.spec.state
        # Policies of versions without goals per task are conditioned on the suite's goal.
        known = {task.name: told.goal_of(task.name) for task in tasks if told.goals}
        found = {name: goal_of(suite, state, name) for name in known}
        for task, place in {"": told.goal, **known}.items():
            there = found[task] if task else goal_of(suite, state)
            if place != there:
                raise InputError(
                    f"{self.name} is conditioned on the goal{' of ' * bool(task)}{task} at"
                    f" {place} of the state; {suite.name} has it at {there}."
                )

    def load(self, suite: Suite) -> PolicyActor:
        """The policy, ready to start trials."""
        return PolicyActor(self.card.conditioning, Predictor(self.trained().policy))

    def trained(self) -> TrainedPolicy:
        """The policy, read again.

        Raises:
            InputError: If it is another one by now.
        """
        trained = checkpoint.load(self.run)
        if trained.fingerprint != self.fingerprint:
            raise InputError(f"{self.run} changed while it was evaluated.")
        return trained


def named_agent(argument: Path | str) -> Agent:
    """The policy of a run directory; the suite's experts for 'expert'.

    Raises:
        ValueError: If the folder holds no policy, or a broken one.
    """
    if str(argument) == EXPERT:
        return ExpertAgent()
    return PolicyAgent(Path(argument))


def goal_of(suite: Suite, state: int, task: str = "") -> tuple[int, int] | None:
    """First and past-last index of the goal in a state of this length; None if hidden.

    Args:
        suite: Says where the goal lies.
        state: Length of a state.
        task: Name of the task; without it, ``suite.goal`` is meant.
    """
    place = goal_place(suite, task)
    if place is None:
        return None
    start, stop, _ = place.indices(state)
    return start, stop


def goals_of(suite: Suite, state: int) -> dict[str, tuple[int, int]]:
    """Places of the goals in the state, for tasks that have a place of their own."""
    places = {name: goal_of(suite, state, name) for name in own_goal_places(suite)}
    return {name: place for name, place in places.items() if place is not None}


def _sizes(suite: Suite, task: str) -> dict[str, int]:
    """Lengths of the state and of the action."""
    with looked_at(partial(suite.make_env, task)) as env:
        space = cast(gymnasium.spaces.Dict, env.observation_space)["state"]
        shapes = {"state": space.shape, "action": env.action_space.shape}
    return {feature: (shape or (0,))[0] for feature, shape in shapes.items()}
