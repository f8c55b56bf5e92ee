"""A policy as an actor: observations to its features, its chunks to actions."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robomtl.actor import TaskInfo
from robomtl.actor_settings import Execution
from robomtl.checkpoint import Card
from robomtl.evaluation.trials import CHUNK
from robomtl.features import STATE, robot_of
from robomtl.goal_images import GoalImages
from robomtl.policy import EMBODIMENT, Memory, Policy, actions_of
from robomtl.spec import GOAL, Spec
from robomtl.task import Observation, Suite, Trial

# Every forward pass has this many rows, whatever runs beside a trial: matrix products
# of another shape may round differently, and a result must not depend on company.
ROWS = CHUNK

Features = dict[str, NDArray[Any]]
"""What a policy reads of the observations of some rows; see ``Batch.observation``."""


class Asked(NamedTuple):
    """A request for the next actions in a group of ``ROWS`` trials."""

    group: int
    """Index of the group among those of its actor."""
    first: bool
    """Whether the trials begin; what was remembered for the group is forgotten."""
    observation: Features
    """Of each row."""
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
            tensors(asked.observation),
            torch.from_numpy(asked.told),
            None if asked.first else self._memories[asked.group],
        )
        return chunk.numpy()


def tensors(features: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """The features as a policy takes them, on the CPU."""
    return {name: torch.from_numpy(value) for name, value in features.items()}


class PolicyActor:
    """Lets a trained policy act in a batch of trials.

    What the policy draws comes from torch's default generator, seeded anew for each
    prediction by the first trial of its batch: batches are dealt before anything runs, so
    a trial's draws are its own whatever else is played.

    Args:
        card: Of the policy: its conditioning, its features, how its chunks are executed.
        predict: Asks the policy, wherever it is.
        suite: Names the robots of tasks.
    """

    def __init__(self, card: Card, predict: Predict, suite: Suite) -> None:
        self._card, self._predict, self._suite = card, predict, suite
        self._fixed = torch.zeros(0, 0)
        self._goals: dict[int, tuple[slice, tuple[float, ...]]] = {}
        self._seeds: list[int] = []
        self._predictions = 0
        self._robot = 0
        self._seen: deque[Features] = deque()
        names = [name.removeprefix(GOAL) for name in card.spec.goals]
        self._goal_images = GoalImages(suite, names)
        self._at_goal: Features = {}
        self._execution = Execution(card.acting)

    def start(self, trials: Sequence[Trial], told: Sequence[TaskInfo]) -> None:
        """Forgets earlier trials and embeds the instructions of these."""
        conditioning, spec = self._card.conditioning, self._card.spec
        fixed = conditioning.fixed(told)
        rows = -len(trials) % ROWS
        self._fixed = torch.cat([fixed, fixed.new_zeros(rows, fixed.shape[1])])
        self._goals = {
            row: (slice(*conditioning.goal_of(each.task)), each.goal)
            for row, each in enumerate(told)
            if each.goal is not None and STATE in spec.states
        }
        self._seeds = [trial.seed for trial in trials[::ROWS]]
        self._predictions = 0
        if len(spec.embodiments) > 1:
            self._robot = spec.index(robot_of(self._suite, trials[0].task))
        self._seen = deque(maxlen=spec.history)
        self._at_goal = self._goals_of(trials, told) if spec.goals else {}
        self._execution = Execution(self._card.acting)

    @property
    def looks(self) -> bool:
        """Whether the next call reads pictures, of those that the policy reads."""
        spec = self._card.spec
        return bool(spec.images) and (self._execution.due or spec.history > 1)

    def __call__(
        self, observations: Sequence[Observation], running: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Actions for every trial; (trial, action)."""
        due = self._execution.due
        if due or self._card.spec.history > 1:
            self._seen.append(self._features(observations))
        if due:
            self._execution.add(self._next())
        size = self._card.spec.actions[self._robot]
        return self._execution.action()[: len(observations), :size]

    def _features(self, observations: Sequence[Observation]) -> Features:
        rows, spec = len(self._fixed), self._card.spec
        robot = spec.embodiments[self._robot]
        features = empty_features(spec, rows)
        for name in robot.observation:
            values = np.stack([observation[name] for observation in observations])
            features[name][: len(values), ..., : values.shape[-1]] = values
        for row, (place, goal) in self._goals.items():
            features[STATE][row, place] = goal
        if len(spec.embodiments) > 1:
            features[EMBODIMENT] = np.full(rows, self._robot)
        return features

    def _goals_of(self, trials: Sequence[Trial], told: Sequence[TaskInfo]) -> Features:
        """What the policy reads of goals; black where the task is withheld."""
        found = {
            name: np.zeros((len(self._fixed), *feature.shape), np.uint8)
            for name, feature in self._card.spec.goals.items()
        }
        for row, pictures in enumerate(self._goal_images.of(trials, told)):
            for name, picture in (pictures or {}).items():
                found[GOAL + name][row] = picture
        return found

    def _next(self) -> NDArray[np.float32]:
        now = self._seen[-1]
        state = torch.from_numpy(now.get(STATE, np.zeros((len(self._fixed), 0))))
        embedding = self._card.conditioning.embedding(self._fixed, state).numpy()
        read = {**self._window(), **self._at_goal}
        chunks = [
            self._predict(
                Asked(
                    group,
                    self._predictions == 0,
                    {name: it[start : start + ROWS] for name, it in read.items()},
                    embedding[start : start + ROWS],
                    self._seed(group),
                )
            )
            for group, start in enumerate(range(0, len(embedding), ROWS))
        ]
        self._predictions += 1
        return np.concatenate(chunks)

    def _window(self) -> Features:
        """The features that the policy reads: of now, or of as many steps as its history.

        Before the first step of a trial stands its first observation.
        """
        history = self._card.spec.history
        if history == 1:
            return self._seen[-1]
        steps = [self._seen[0]] * (history - len(self._seen)) + [*self._seen]
        window = {
            name: np.stack([step[name] for step in steps], axis=1) for name in steps[0]
        }
        if EMBODIMENT in window:
            window[EMBODIMENT] = steps[-1][EMBODIMENT]
        return window

    def _seed(self, group: int) -> int:
        # The generator keeps 32 bits of a seed; the factor, odd, gives each step another.
        return (self._seeds[group] + 2_654_435_761 * self._predictions) % 2**32


def empty_features(spec: Spec, rows: int) -> Features:
    """Zeros for each feature that a policy reads, without a history."""
    states: Features = {
        name: np.zeros((rows, size), np.float32) for name, size in spec.states.items()
    }
    images: Features = {
        name: np.zeros((rows, *feature.shape), np.uint8)
        for name, feature in spec.images.items()
    }
    return states | images
