"""Cross-validation folds of a suite, which hold out some of its training tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robomtl.errors import InputError
from robomtl.task import Env, Expert, GoalSuite, Suite, Task


@dataclass(frozen=True)
class Fold:
    """A suite that holds out some training tasks, in place of the original held-out tasks.

    Args:
        suite: The original suite.
        held: Names of the training tasks that are held out.
    """

    suite: Suite
    held: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the original suite, since the tasks are the same."""
        return self.suite.name

    @property
    def options(self) -> Mapping[str, Any]:
        """Options of the original suite."""
        return self.suite.options

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """The training tasks that are not held out."""
        tasks = self.suite.train_tasks
        return tuple(task for task in tasks if task.name not in self.held)

    @property
    def held_out_tasks(self) -> tuple[Task, ...]:
        """The training tasks that are held out."""
        return tuple(t for t in self.suite.train_tasks if t.name in self.held)

    @property
    def goal(self) -> slice | None:
        """Indices of the goal in a state, as in the original suite; None if not shown."""
        return self.suite.goal

    def variations(self, task: str, split: str) -> Sequence[int]:
        """Variations of the task in the original suite."""
        return self.suite.variations(task, split)

    def make_env(self, task: str) -> Env:
        """An env of the original suite."""
        return self.suite.make_env(task)

    def make_expert(self, task: str) -> Expert:
        """An expert of the original suite."""
        return self.suite.make_expert(task)

    def __getattr__(self, name: str) -> Any:
        """Optional members of the original suite, such as ``expert_suite``."""
        if name.startswith("_") or name == "suite":  # During unpickling.
            raise AttributeError(name)
        return getattr(self.suite, name)


@dataclass(frozen=True)
class GoalFold(Fold):
    """A fold of a suite that numbers its goals."""

    suite: GoalSuite

    def goal_numbers(self, task: str, split: str) -> Sequence[int]:
        """Numbers of the goals in the original suite."""
        return self.suite.goal_numbers(task, split)

    def goal_number(self, task: str, variation: int) -> int:
        """Number of a variation's goal in the original suite."""
        return self.suite.goal_number(task, variation)

    def variations_of_goal(self, task: str, goal: int) -> Sequence[int]:
        """Variations with a goal in the original suite."""
        return self.suite.variations_of_goal(task, goal)


def all_held_out(suite: Suite) -> Fold:
    """The suite with all training tasks held out, for a robot never seen in training."""
    return _without(suite, tuple(task.name for task in suite.train_tasks))


def folds(suite: Suite, count: int) -> tuple[Fold, ...]:
    """Folds that together hold out each training task of a suite once.

    Args:
        suite: The suite.
        count: Number of folds; task i is held out in fold i modulo ``count``.

    Raises:
        InputError: If ``count`` is below 2 or above the number of training tasks.
    """
    names = [task.name for task in suite.train_tasks]
    if not 2 <= count <= len(names):
        raise InputError(
            f"{len(names)} training tasks of {suite.name} cannot be split into {count}"
            f" folds; give from 2 to {len(names)}, and a suite of at least 2 training"
            " tasks."
        )
    return tuple(_without(suite, tuple(names[i::count])) for i in range(count))


def _without(suite: Suite, held: tuple[str, ...]) -> Fold:
    return GoalFold(suite, held) if isinstance(suite, GoalSuite) else Fold(suite, held)
