"""Demonstrations that are read from a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.arguments import checked
from robomtl.demonstrations.contents import (
    Contents,
    Episodes,
    Failed,
    PerTask,
    fingerprint,
    notes,
    renamed,
    selected,
    succeeded,
    taken,
)
from robomtl.demonstrations.episode_groups import groups
from robomtl.demonstrations.frame_file import row_shape
from robomtl.demonstrations.layout import ACTION, STATE, observed
from robomtl.demonstrations.reading import Beyond, read
from robomtl.errors import InputError
from robomtl.features import ActionFeature, Embodiment, Feature, robot_of
from robomtl.files.paths import located
from robomtl.suites import suite


def _feature(name: str, shape: tuple[int, ...]) -> Feature:
    if len(shape) == 1:
        return Feature(kind="state", shape=shape)
    return Feature(kind="image", shape=shape, camera=name)


class Demonstrations:
    """Episodes of tasks; their frames are in memory or, if they are many, in a file.

    Args:
        path: Folder of a LeRobotDataset v3.0. If robomtl did not collect it, its tasks are
            named by their instructions.
        beyond: Handling of actions beyond [-1, 1]: ``refuse`` or ``clip``. Clipping is
            right if the recorded simulator clips too, and wrong for joint angles.
        failed: Handling, in training, of episodes that are marked as failed: ``omit`` or
            ``clone``. Cloning imitates failures as readily as successes.
        observe: Names of the observation features that policies read: ``state``, further
            vectors, and images, such as ``image.corner2``. None for the images and the
            proprioception if both are recorded, else for the state.

    Raises:
        InputError: If the folder is not such a data set, or one that is incomplete or
            contradictory or has values that cannot be learned from; the message names the
            file.
    """

    @checked
    def __init__(
        self,
        path: Path | str,
        *,
        beyond: Beyond = "refuse",
        failed: Failed = "omit",
        observe: Sequence[str] | None = None,
    ) -> None:
        if observe is not None and not observe:
            raise InputError("observe is empty; name at least 1 feature.")
        self._contents = read(located(path), beyond, failed, observe)

    @classmethod
    def of(cls, contents: Contents) -> "Demonstrations":
        """Demonstrations with these contents."""
        demonstrations = cls.__new__(cls)
        demonstrations._contents = contents
        return demonstrations

    @property
    def path(self) -> Path:
        """Folder that the demonstrations were read from."""
        return self._contents.path

    @property
    def sets(self) -> tuple["Demonstrations", ...]:
        """Data sets to learn from: only this one; see ``Mixture``."""
        return (self,)

    @property
    def weights(self) -> None:
        """Weights of the data sets: none, since there is one data set."""

    def task_indices(self, number: int) -> NDArray[np.int64]:
        """Index of each task of a data set among all tasks; (task,). See ``Mixture``."""
        return np.arange(len(self.tasks))

    @property
    def suite(self) -> str | None:
        """Name of the suite; None if robomtl did not collect them."""
        return self._contents.suite

    @property
    def origin(self) -> str:
        """Origin of the episodes, as the predicate of a sentence about the data set."""
        suite = self.suite
        if suite is None:
            return "is a data set of another tool"
        return f"was recorded in {suite}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what training does not use; empty if it uses everything."""
        return notes(self._contents)

    @property
    def suite_options(self) -> Mapping[str, Any]:
        """Options with which ``robomtl.suite`` rebuilds the suite."""
        return self._contents.suite_options

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that have episodes, in the order of the task index."""
        return self._contents.tasks

    @property
    def instructions(self) -> Mapping[str, str]:
        """The canonical instruction of each task, by its name."""
        return self._contents.instructions

    @property
    def failures(self) -> Mapping[str, int]:
        """Number of episodes in which the expert failed before enough succeeded, by task.

        Empty if robomtl did not collect the demonstrations.
        """
        return self._contents.failures

    @property
    def noise(self) -> float | None:
        """Largest standard deviation of the action noise; None if unknown."""
        return self._contents.noise

    @property
    def fps(self) -> float:
        """Frames per second [1/s]."""
        return self._contents.fps

    @property
    def episodes(self) -> Episodes:
        """The frames, task, variation and success of each episode."""
        return self._contents.episodes

    @property
    def state(self) -> NDArray[np.float32]:
        """States of all episodes, one after the other; (frame, state)."""
        return self._contents.column(STATE)

    @property
    def has_actions(self) -> bool:
        """Whether actions were recorded; otherwise, those in ``columns`` are zeros."""
        return self._contents.has_actions

    def check_actions(self, reader: str) -> None:
        """Refuses episodes without actions.

        Args:
            reader: Name of what needs the actions, for the message; in the singular.

        Raises:
            InputError: If actions were not recorded.
        """
        if not self.has_actions:
            raise InputError(
                f"{self.path} records no actions, and {reader} needs them; give episodes"
                " with actions, or run robomtl pretrain with an objective that reads no"
                " actions, such as latent_actions."
            )

    @property
    def action(self) -> NDArray[np.float32]:
        """Actions at these states, within [-1, 1]; (frame, action).

        Raises:
            InputError: If actions were not recorded.
        """
        self.check_actions("the request")
        return self._contents.column(ACTION)

    @property
    def first_states(self) -> NDArray[np.float32]:
        """States in which the episodes begin; (episode, state)."""
        return self._contents.starts(STATE)

    @property
    def columns(self) -> Mapping[str, NDArray[Any]]:
        """Vectors and images of frames by feature; see ``first`` for the episodes."""
        return self._contents.columns

    def size(self, column: str) -> int:
        """Length of a vector feature; reads no frame."""
        return row_shape(self._contents.columns, column)[0]

    @property
    def observes(self) -> tuple[str, ...]:
        """Names of the observation features that policies read."""
        return self._contents.observes

    @property
    def first(self) -> NDArray[np.int64]:
        """Row of the columns at which each episode begins; (episode,)."""
        return self._contents.first

    @cached_property
    def embodiment(self) -> Embodiment:
        """The robot: its name, its recorded observation features, and its action."""
        contents = self._contents
        if contents.suite is None:
            name = contents.robot or self.path.name
        else:
            made = suite(contents.suite, **contents.suite_options)
            name = robot_of(made, self.tasks[0])
        return Embodiment(
            name=name,
            observation={
                feature: _feature(feature, row_shape(contents.columns, column))
                for column, feature in observed(contents.columns).items()
            },
            action=ActionFeature(size=row_shape(contents.columns, ACTION)[0]),
        )

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """Index of the group of each episode, which shares task and goal; (episode,).

        The episodes of a task are one group, unless the suite hides its goals and declares
        which variations share one.
        """
        return groups(self._contents)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all training data: task names, instructions, episodes and frames."""
        return fingerprint(self._contents)

    @checked
    def select(
        self, tasks: Sequence[str] | None = None, per_task: PerTask = None
    ) -> "Demonstrations":
        """The first episodes of some tasks.

        Tasks and episodes keep their order, whatever the order of the names.

        Args:
            tasks: Names of the tasks; None for all.
            per_task: Number of episodes of every task, or numbers by task; None for all.

        Raises:
            ValueError: If a task is unknown, or has fewer episodes.
        """
        return self.of(selected(self._contents, tasks, per_task))

    def take(self, episodes: Sequence[int]) -> "Demonstrations":
        """The episodes with these indices, in this order; all tasks keep their index.

        Raises:
            InputError: If there is no episode with an index.
        """
        return self.of(taken(self._contents, episodes))

    def succeeded(self) -> "Demonstrations":
        """The episodes that training clones: without failed ones, unless they are cloned.

        Raises:
            InputError: If no episode is left.
        """
        return self.of(succeeded(self._contents))

    def renamed(self, task: str, instruction: str) -> "Demonstrations":
        """The same episodes, all assigned to one task.

        Args:
            task: Name of the task.
            instruction: Canonical instruction of the task.
        """
        return self.of(renamed(self._contents, task, instruction))

    def acting(self, action: NDArray[np.float32]) -> "Demonstrations":
        """The same episodes with these actions; (frame, action)."""
        contents = self._contents
        columns = {name: contents.column(name) for name in contents.columns}
        columns[ACTION] = action
        start = self.episodes.start
        return self.of(
            replace(contents, columns=columns, first=start, has_actions=True)
        )

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.episodes.length)

    def __repr__(self) -> str:
        return (
            f"Demonstrations({str(self.path)!r}: {len(self)} episodes of "
            f"{len(self.tasks)} tasks, {self.episodes.length.sum()} frames, state "
            f"{self.size(STATE)}, {self._acted()}, {self._marked()}"
            f"suite {self.suite or 'unknown'})"
        )

    def _acted(self) -> str:
        return f"action {self.size(ACTION)}" if self.has_actions else "no actions"

    def _marked(self) -> str:
        failed, unused = int((~self.episodes.success).sum()), self._contents.unused
        marked = f"{failed} episodes marked as failed, " if failed else ""
        return marked + (f"not used {', '.join(unused)}, " if unused else "")
