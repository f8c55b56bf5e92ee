"""Actor of a trained policy in trials of a suite."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from robomtl.acting.actor import TaskInfo
from robomtl.acting.goal_images import GoalImages
from robomtl.acting.policy_episodes import (
    ROWS,
    Beginning,
    PolicyEpisodes,
    PredictionRequest,
    tensors,
)
from robomtl.checkpoint import Card
from robomtl.execution.locks import GENERATOR
from robomtl.features import robot_of
from robomtl.joint import known_as
from robomtl.policy import Memory, Policy
from robomtl.policy_contract import actions_of
from robomtl.spec import GOAL
from robomtl.task import Observation, Suite, Trial

Predict = Callable[[PredictionRequest], NDArray[np.float32]]
"""Function that answers a request with an action chunk; (row, chunk, action)."""


class Predictor:
    """Runs a policy in this process, one group at a time, and stores its memories.

    Args:
        policy: Policy, on the CPU.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._memories: dict[int, Memory | None] = {}

    @torch.inference_mode()
    def __call__(self, request: PredictionRequest) -> NDArray[np.float32]:
        """Action chunk of a group; (row, chunk, action)."""
        with GENERATOR:
            torch.default_generator.manual_seed(request.seed)
            chunk, self._memories[request.group] = actions_of(
                self._policy,
                tensors(request.observation),
                torch.from_numpy(request.task_embedding),
                None if request.first else self._memories[request.group],
            )
        return chunk.numpy()


class PolicyActor:
    """Lets a trained policy act in a batch of trials.

    The policy draws from torch's default generator, which is seeded for each prediction by
    the first trial of its batch. Trials are divided into batches before anything runs, so
    random numbers of a trial do not depend on what else is played.

    Args:
        card: Card of the policy: its conditioning, features and actor settings.
        predict: Runs the policy, in this process or another.
        suite: Suite, which names the robots of tasks.
    """

    def __init__(self, card: Card, predict: Predict, suite: Suite) -> None:
        self._card, self._predict, self._suite = card, predict, suite
        names = [name.removeprefix(GOAL) for name in card.spec.goals]
        self._goal_images = GoalImages(suite, names)
        self._episodes: PolicyEpisodes | None = None

    def start(self, trials: Sequence[Trial], task_infos: Sequence[TaskInfo]) -> None:
        """Forgets earlier trials and embeds the instructions of new ones."""
        spec, robot = self._card.spec, 0
        if len(spec.embodiments) > 1:
            robot = spec.index(robot_of(self._suite, trials[0].task))
        images = self._goal_images.of(trials, task_infos) if spec.goals else ()
        seeds = [trial.seed for trial in trials[::ROWS]]
        known = [self._known(each) for each in task_infos]
        beginning = Beginning(known, seeds, robot, images)
        self._episodes = PolicyEpisodes(self._card, beginning)

    def _known(self, task_info: TaskInfo) -> TaskInfo:
        """Task information with the name under which the policy was trained on the task."""
        card, tasks = self._card, self._card.conditioning.tasks
        if task_info.task is None or task_info.task in card.conditioning.inferred:
            return task_info
        name = known_as(card.suite, tasks, suite=self._suite, task=task_info.task)
        return task_info._replace(task=name)

    @property
    def reads_images(self) -> bool:
        """Whether the next call reads images; before ``start``, whether any call does."""
        if self._episodes is None:
            return bool(self._card.spec.images)
        return self._episodes.reads_images

    def __call__(
        self, observations: Sequence[Observation], running: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Actions of every trial; (trial, action)."""
        assert self._episodes is not None, "start comes before the first observation"
        if requests := self._episodes.requests(observations):
            self._episodes.add([self._predict(each) for each in requests])
        return self._episodes.action()[: len(observations)]
