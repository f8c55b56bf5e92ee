"""The support: the few demonstrations of a new task that adaptation may use."""

import zlib
from dataclasses import dataclass

import numpy as np

from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.ranges import check_types, settings
from robomtl.suites import suite
from robomtl.task import Task, find_task


@settings
@dataclass(frozen=True, kw_only=True, eq=False)
class Support:
    """Demonstrations of the new task, and optionally those of the training tasks."""

    demonstrations: Demonstrations
    """Successful episodes of one task."""
    prior: Demonstrations | None = None
    """Demonstrations the policy was trained on, for methods that read them again."""

    def __post_init__(self) -> None:
        """Checks the demonstrations.

        Raises:
            InputError: If there is no episode, several tasks, a failed episode, or one
                without actions.
        """
        check_types(self)
        demonstrations = self.demonstrations
        demonstrations.check_actions("adaptation")
        if not len(demonstrations):
            raise InputError("The support has no demonstrations; give at least 1.")
        if len(demonstrations.tasks) != 1:
            raise InputError(
                "The support has demonstrations of"
                f" {', '.join(demonstrations.tasks)}; give those of 1 task, for example"
                " by demonstrations.select(tasks=[name])."
            )
        failed = np.flatnonzero(~demonstrations.episodes.success)
        if len(failed):
            raise InputError(
                f"{len(failed)} of the {len(demonstrations)} demonstrations of"
                f" '{self.name}' do not succeed (the first has index {failed[0]}); leave"
                " them out."
            )

    @property
    def name(self) -> str:
        """Name of the task."""
        return self.demonstrations.tasks[0]

    @property
    def shots(self) -> int:
        """Number of demonstrations."""
        return len(self.demonstrations)

    @property
    def task(self) -> Task:
        """The task with its instructions, from the suite or else from the data set."""
        recorded = self.demonstrations
        if recorded.suite is None:
            instruction = recorded.instructions[self.name]
            return Task(name=self.name, instructions=(instruction,))
        return find_task(suite(recorded.suite, **recorded.suite_options), self.name)


def draw_support(
    demonstrations: Demonstrations, task: str, *, shots: int, draw: int
) -> Support:
    """Support of some demonstrations of a task, drawn without replacement.

    Supports of one draw are nested: that of fewer shots is a subset of that of more.

    Args:
        demonstrations: Data set to draw from.
        task: Name of the task.
        shots: Number of demonstrations.
        draw: Index of the draw, which seeds it together with the task's name.

    Raises:
        InputError: If the task is unknown or has fewer demonstrations.
    """
    if shots < 1:
        raise InputError(f"shots is {shots}; give at least 1.")
    available = demonstrations.select(tasks=[task])
    if shots > len(available):
        raise InputError(
            f"'{task}' has {len(available)} demonstrations in {available.path}, fewer"
            f" than the {shots} requested shots; collect more, or request at most"
            f" {len(available)}."
        )
    seed = zlib.crc32(f"{task}/{draw}".encode())
    order = np.random.default_rng(seed).permutation(len(available))
    return Support(demonstrations=available.take(order[:shots].tolist()))
