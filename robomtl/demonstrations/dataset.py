"""Demonstrations, read from a folder."""

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
    """Episodes of tasks, whose frames are in memory or, if they are many, in a file.

    Args:
        path: Folder of a LeRobotDataset v3.0. Of data sets that robomtl did not collect,
            each task is named by its instruction; images are left unread.
        beyond: What is done with actions beyond [-1, 1]: ``refuse`` or ``clip``. Clipping
            is right where the recorded simulator clips too, and wrong for joint angles.
        failed: Whether training omits or clones episodes that their data set marks as
            failed: ``omit`` or ``clone``. Cloning imitates failures as readily as
            successes, so they are omitted by default.
        observe: Names of the observation features that policies read: ``state``, further
            vectors, and images, such as ``image.corner2``. None for the images and the
            proprioception where both are recorded, and else for the state.

    Raises:
        InputError: If the folder holds no such data set, an incomplete or contradictory
            one, or numbers that cannot be learned from; the message names the file.
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
        """Demonstrations held in memory."""
        demonstrations = cls.__new__(cls)
        demonstrations._contents = contents
        return demonstrations

    @property
    def path(self) -> Path:
        """Folder they were read from."""
        return self._contents.path

    @property
    def sets(self) -> tuple["Demonstrations", ...]:
        """Data sets to learn from: itself; see ``Mixture``."""
        return (self,)

    @property
    def weights(self) -> None:
        """Weights of the data sets; there is one."""

    def places(self, number: int) -> NDArray[np.int64]:
        """Index among all tasks of each task; (task,). See ``Mixture``."""
        return np.arange(len(self.tasks))

    @property
    def suite(self) -> str | None:
        """Name of the suite; None if robomtl did not collect them."""
        return self._contents.suite

    @property
    def origin(self) -> str:
        """Origin of the episodes, as the end of a sentence about the data set."""
        suite = self.suite
        if suite is None:
            return "is a data set of another tool"
        return f"was recorded in {suite}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the parts that training does not use; empty if it uses all."""
        return notes(self._contents)

    @property
    def suite_options(self) -> Mapping[str, Any]:
        """Options with which ``robomtl.suite`` builds the suite again."""
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
        """How often the expert failed before enough episodes of a task succeeded.

        Empty if robomtl did not collect the demonstrations.
        """
        return self._contents.failures

    @property
    def noise(self) -> float | None:
        """Greatest deviation of the disturbance; None if unknown."""
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
        """Whether actions were recorded; those of ``columns`` are zeros otherwise."""
        return self._contents.has_actions

    def check_actions(self, reader: str) -> None:
        """Refuses episodes without actions.

        Args:
            reader: What needs the actions, in the singular.

        Raises:
            InputError: If actions were not recorded; names what learns without them.
        """
        if not self.has_actions:
            raise InputError(
                f"{self.path} records no actions, and {reader} needs them; give episodes"
                " with actions. Those without serve robomtl pretrain, by an objective that"
                " reads no actions, such as latent_actions."
            )

    @property
    def action(self) -> NDArray[np.float32]:
        """Actions within [-1, 1], taken at these states; (frame, action).

        Raises:
            InputError: If actions were not recorded.
        """
        self.check_actions("what is requested")
        return self._contents.column(ACTION)

    @property
    def first_states(self) -> NDArray[np.float32]:
        """States in which the episodes begin; (episode, state)."""
        return self._contents.starts(STATE)

    @property
    def columns(self) -> Mapping[str, NDArray[Any]]:
        """Vectors of frames by the name of their feature, in the order of ``first``."""
        return self._contents.columns

    def size(self, column: str) -> int:
        """Length of a vector of frames; reads no frame."""
        return row_shape(self._contents.columns, column)[0]

    @property
    def observes(self) -> tuple[str, ...]:
        """Names of the observation features that policies read."""
        return self._contents.observes

    @property
    def first(self) -> NDArray[np.int64]:
        """Row of the columns in which each episode begins; (episode,)."""
        return self._contents.first

    @cached_property
    def embodiment(self) -> Embodiment:
        """The robot: its recorded observation features, and its action."""
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
        """Groups of episodes with the same task and goal, by an index; (episode,).

        The episodes of a task are one group, unless the suite hides its goals and says
        which variations share one.
        """
        return groups(self._contents)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that can be learned from: names, wordings, episodes, frames."""
        return fingerprint(self._contents)

    @checked
    def select(
        self, tasks: Sequence[str] | None = None, per_task: PerTask = None
    ) -> "Demonstrations":
        """The first episodes of some tasks, and their frames only.

        Order of tasks and episodes stays, whatever the order of the names.

        Args:
            tasks: Names of the tasks; None for all.
            per_task: Number of episodes of each, or by task; None for all.

        Raises:
            ValueError: If a task is unknown, or has fewer episodes.
        """
        return self.of(selected(self._contents, tasks, per_task))

    def take(self, episodes: Sequence[int]) -> "Demonstrations":
        """Some episodes, by their index, in this order; all tasks keep their index.

        Raises:
            InputError: If there is no such episode.
        """
        return self.of(taken(self._contents, episodes))

    def succeeded(self) -> "Demonstrations":
        """The episodes that training clones: without failed ones, see ``failed``.

        Raises:
            InputError: If no episode is left.
        """
        return self.of(succeeded(self._contents))

    def renamed(self, task: str, instruction: str) -> "Demonstrations":
        """The same episodes, as if they all showed one task.

        Args:
            task: Its name.
            instruction: Its canonical instruction.
        """
        return self.of(renamed(self._contents, task, instruction))

    def acting(self, action: NDArray[np.float32]) -> "Demonstrations":
        """The same episodes with other actions; (frame, action)."""
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
