"""Episodes that a policy plays side by side: from observations to actions."""

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

# Every forward pass of an evaluation has this many rows, whatever runs beside a trial:
# matrix products of another shape may round differently, and a result must not depend on
# company.
ROWS = CHUNK

Features = dict[str, NDArray[Any]]
"""What a policy reads of the observations of some rows; see ``Batch.observation``."""


class PredictionRequest(NamedTuple):
    """A request for the next actions in a group of episodes."""

    group: int
    """Index of the group among those that are played side by side."""
    first: bool
    """Whether the episodes begin; what was remembered for the group is forgotten."""
    observation: Features
    """Observation of each row."""
    task_embedding: NDArray[np.float32]
    """The task embedding; (row, embedding)."""
    seed: int
    """Seed of what the policy draws for the group."""


class Beginning(NamedTuple):
    """The facts on episodes that are known before their first observation."""

    task_infos: Sequence[TaskInfo]
    """What the policy is conditioned on in each episode."""
    seeds: Sequence[int]
    """Seeds of what the policy draws, one for each group."""
    robot: int = 0
    """Index of the embodiment of all episodes among those of the policy."""
    goal_images: Sequence[Pictures | None] = ()
    """Goal images of each episode, for a policy that is conditioned on them; None withholds
    them."""


class PolicyEpisodes:
    """Turns observations of episodes into requests, and their answers into actions.

    Args:
        card: The policy's conditioning, its features, and how its chunks are executed.
        beginning: What is known of the episodes; an instruction is embedded once.
        rows: Rows of a group; the last is filled up with zeros.

    Raises:
        ValueError: See ``Conditioning.fixed``.
        MissingExtraError: See ``Conditioning.fixed``.
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
        self._seen: deque[Features] = deque(maxlen=card.spec.history)
        self._at_goal = self._goals_of(beginning.goal_images)
        self._execution = Execution(card.acting)

    @property
    def due(self) -> bool:
        """Whether the next observations lead to a prediction."""
        return self._execution.due

    @property
    def looks(self) -> bool:
        """Whether the next call reads pictures, of those that the policy reads."""
        spec = self._card.spec
        return bool(spec.images) and (self.due or spec.history > 1)

    def requests(self, observations: Sequence[Observation]) -> list[PredictionRequest]:
        """The requests of a step; none unless a prediction is due.

        Args:
            observations: Observation of each episode.
        """
        due = self.due
        if due or self._card.spec.history > 1:
            self._seen.append(self._features(observations))
        return self._grouped() if due else []

    def add(self, chunks: Sequence[NDArray[np.float32]]) -> None:
        """Takes the answers to the requests; each (row, chunk, action)."""
        self._execution.add(np.concatenate(chunks))

    def action(self) -> NDArray[np.float32]:
        """The actions of this step; (row, action), with those that fill up a group."""
        spec, action = self._card.spec, self._execution.action()
        if spec.alignment is not None:
            return spec.alignment.own(action, self._robot)
        return action[:, : spec.actions[self._robot]]

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

    def _goals_of(self, images: Sequence[Pictures | None]) -> Features:
        """The goal images that the policy reads; black where the task is withheld."""
        found = {
            name: np.zeros((len(self._fixed), *feature.shape), np.uint8)
            for name, feature in self._card.spec.goals.items()
        }
        for row, pictures in enumerate(images):
            for name, picture in (pictures or {}).items():
                found[GOAL + name][row] = picture
        return found

    def _grouped(self) -> list[PredictionRequest]:
        """A request for each group of rows, with what was observed last."""
        now, rows = self._seen[-1], self._rows
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
        """The features that the policy reads: of now, or of as many steps as its history.

        Before the first step of a trial, its first observation is repeated.
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


def tensors(features: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """The features as a policy takes them, on the CPU."""
    return {name: torch.from_numpy(value) for name, value in features.items()}
