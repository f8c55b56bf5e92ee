"""Agent of a suite's scripted experts; their success is an upper bound for cloning."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from robomtl.acting.actor import Actor, TaskInfo
from robomtl.errors import InputError, PlugInError
from robomtl.plug_in import described, make_expert
from robomtl.returned_values import action_array, action_vector
from robomtl.task import Expert, Observation, Suite, Trial

EXPERT = "expert"
"""Name of the experts on the command line."""


class _Experts:
    """Actor that lets the expert of each trial's task act; experts read no images."""

    reads_images = False

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._experts: list[Expert] = []
        self._tasks: list[str | None] = []

    def start(self, trials: Sequence[Trial], task_infos: Sequence[TaskInfo]) -> None:
        self._experts = [self._expert(task_info.task) for task_info in task_infos]
        self._tasks = [task_info.task for task_info in task_infos]

    def __call__(
        self, observations: Sequence[Observation], running: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        rows = np.flatnonzero(running).tolist()
        actions: list[NDArray[np.float32]] = []
        for row in rows:
            who = f"The expert of '{self._tasks[row]}'"
            try:
                action = self._experts[row](observations[row])
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # Plug-ins may raise anything.
                raise PlugInError(f"{who} raised {described(error)}.") from error
            # A copy, as an expert may return the same array each time.
            vector = action_vector(action, who)
            actions.append(
                action_array(vector, actions[0].shape, who) if actions else vector
            )
        batch = np.zeros((len(observations), len(actions[0])), np.float32)
        batch[rows] = actions
        return batch

    def _expert(self, task: str | None) -> Expert:
        if task is None:
            raise InputError(
                "The expert needs the name of its task, which instructions 'none' withhold."
            )
        return make_expert(self._suite, task)


@dataclass(frozen=True)
class ExpertAgent:
    """Agent of the scripted experts of the evaluated suite."""

    @property
    def name(self) -> str:
        """The agent's name in reports."""
        return EXPERT

    @property
    def argument(self) -> str | None:
        """Name of the agent on the command line; None for a subclass."""
        return EXPERT if type(self) is ExpertAgent else None

    @property
    def fingerprint(self) -> str:
        """Hash of the version of robomtl; the suite determines its experts."""
        return hashlib.sha256(f"expert {version('robomtl')}".encode()).hexdigest()

    def check(self, suite: Suite) -> None:
        """Refuses a suite without experts.

        Raises:
            ValueError: If a training task has no expert.
        """
        for task in suite.train_tasks:
            make_expert(suite, task.name)

    def load(self, suite: Suite) -> Actor:
        """Actor of the experts, ready to start trials of this suite."""
        return _Experts(suite)
