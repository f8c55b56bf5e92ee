"""Parallel episodes of a policy: from observations to requests, and on to actions."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robomtl.acting.actor import TaskInfo
from robomtl.acting.actor_settings import Execution
from robomtl.acting.goal_images import Pictures
from robomtl.checkpoint import Card
from robomtl.evaluation.trials import CHUNK
from robomtl.features import STATE
from robomtl.policy import EMBODIMENT
from robomtl.spec import GOAL, Spec
from robomtl.task import Observation

# Number of rows of every forward pass of an evaluation: matrix products of another shape
# may round differently, and results must not depend on the number of trials in a batch.
ROWS = CHUNK

Features = dict[str, NDArray[Any]]
"""Observed features that a policy reads, by name; see ``Batch.observation``."""


class PredictionRequest(NamedTuple):
    """Request for the next action chunk of a group of episodes."""

    group: int
    """Index of the group among those that are played in parallel."""
    first: bool
    """Whether the episodes begin; the memory of the group is then discarded."""
    observation: Features
    """Features of each row."""
    task_embedding: NDArray[np.float32]
    """Task embedding of each row; (row, embedding)."""
    seed: int
    """Seed of the policy's random numbers for the group."""


class Beginning(NamedTuple):
    """Information on episodes that is known before their first observation."""

    task_infos: Sequence[TaskInfo]
    """Task information that the policy is conditioned on in each episode."""
    seeds: Sequence[int]
    """Seeds of the policy's random numbers, one for each group."""
    robot: int = 0
    """Index of the embodiment of all episodes among those of the policy."""
    goal_images: Sequence[Pictures | None] = ()
    """Goal images of each episode, for a policy that is conditioned on them; None if
    withheld."""


class PolicyEpisodes:
    """Turns observations of episodes into requests, and answers to them into actions.

    Args:
        card: Card of the policy: its conditioning, features and actor settings.
        beginning: Information on the episodes; instructions are embedded here, once.
        rows: Number of rows of a group; the last group is padded with zeros.

    Raises:
        ValueError: If the task information does not fit; see ``Conditioning.fixed``.
        MissingExtraError: If a language model is missing; see ``Conditioning.fixed``.
    """

    def __init__(self, card: Card, beginning: Beginning, *, rows: int = ROWS) -> None:
        conditioning, task_infos = card.conditioning, beginning.task_infos
        self._card, self._rows, self._robot = card, rows, beginning.robot
        self._seeds, self._predictions = beginning.seeds, 0
        fixed = conditioning.fixed(task_infos)
        self._fixed = torch.cat(
            [fixed, fixed.new_zeros(-len(task_infos) % rows, fixed.shape[1])]
        )
        self._goals = {
            row: (slice(*conditioning.goal_of(each.task)), each.goal)
            for row, each in enumerate(task_infos)
            if each.goal is not None and STATE in card.spec.states
        }
        self._history: deque[Features] = deque(maxlen=card.spec.history)
        self._at_goal = self._goals_of(beginning.goal_images)
        self._execution = Execution(card.acting)

    @property
    def due(self) -> bool:
        """Whether the next observations need a prediction."""
        return self._execution.due

    @property
    def reads_images(self) -> bool:
        """Whether the next call of ``requests`` reads the images of the observations."""
        spec = self._card.spec
        return bool(spec.images) and (self.due or spec.history > 1)

    def requests(self, observations: Sequence[Observation]) -> list[PredictionRequest]:
        """Requests of a step, one for each group; empty unless a prediction is due.

        Args:
            observations: Observation of each episode.
        """
        due = self.due
        if due or self._card.spec.history > 1:
            self._history.append(self._features(observations))
        return self._grouped() if due else []

    def add(self, chunks: Sequence[NDArray[np.float32]]) -> None:
        """Adds the answers to the requests, in their order; each (row, chunk, action)."""
        self._execution.add(np.concatenate(chunks))

    def action(self) -> NDArray[np.float32]:
        """Actions of this step, including rows of padding; (row, action)."""
        spec, action = self._card.spec, self._execution.action()
        if spec.alignment is not None:
            return spec.alignment.to_robot(action, self._robot)
        return action[:, : spec.actions[self._robot]]

    def _features(self, observations: Sequence[Observation]) -> Features:
        rows, spec = len(self._fixed), self._card.spec
        robot = spec.embodiments[self._robot]
        features = empty_features(spec, rows)
        for name in robot.observation:
            values = np.stack([observation[name] for observation in observations])
            features[name][: len(values), ..., : values.shape[-1]] = values
        for row, (indices, goal) in self._goals.items():
            features[STATE][row, indices] = goal
        if len(spec.embodiments) > 1:
            features[EMBODIMENT] = np.full(rows, self._robot)
        return features

    def _goals_of(self, images: Sequence[Pictures | None]) -> Features:
        """Goal images that the policy reads; black where they are withheld."""
        goals = {
            name: np.zeros((len(self._fixed), *feature.shape), np.uint8)
            for name, feature in self._card.spec.goals.items()
        }
        for row, pictures in enumerate(images):
            for name, picture in (pictures or {}).items():
                goals[GOAL + name][row] = picture
        return goals

    def _grouped(self) -> list[PredictionRequest]:
        """Request for each group of rows, with the latest observations."""
        now, rows = self._history[-1], self._rows
        state = torch.from_numpy(now.get(STATE, np.zeros((len(self._fixed), 0))))
        embedding = self._card.conditioning.embedding(self._fixed, state).numpy()
        read = {**self._window(), **self._at_goal}
        requests = [
            PredictionRequest(
                group,
                self._predictions == 0,
                {name: it[start : start + rows] for name, it in read.items()},
                embedding[start : start + rows],
                self._seed(group),
            )
            for group, start in enumerate(range(0, len(embedding), rows))
        ]
        self._predictions += 1
        return requests

    def _window(self) -> Features:
        """Features that the policy reads: the latest, or those of its history of steps.

        The first observation of a trial stands in for steps before it.
        """
        history = self._card.spec.history
        if history == 1:
            return self._history[-1]
        steps = [self._history[0]] * (history - len(self._history)) + [*self._history]
        window = {
            name: np.stack([step[name] for step in steps], axis=1) for name in steps[0]
        }
        if EMBODIMENT in window:
            window[EMBODIMENT] = steps[-1][EMBODIMENT]
        return window

    def _seed(self, group: int) -> int:
        # The generator keeps 32 bits of a seed; the odd factor gives each step another seed.
        return (self._seeds[group] + 2_654_435_761 * self._predictions) % 2**32


def empty_features(spec: Spec, rows: int) -> Features:
    """Zeros for each feature that a policy reads, of a single step."""
    states: Features = {
        name: np.zeros((rows, size), np.float32) for name, size in spec.states.items()
    }
    images: Features = {
        name: np.zeros((rows, *feature.shape), np.uint8)
        for name, feature in spec.images.items()
    }
    return states | images


def tensors(features: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Features as tensors, on the CPU."""
    return {name: torch.from_numpy(value) for name, value in features.items()}
