"""Suites whose training tasks take turns at being held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robomtl.errors import InputError
from robomtl.task import Env, Expert, GoalSuite, Suite, Task


@dataclass(frozen=True)
class Fold:
    """A suite in which some training tasks are held out, and other held-out ones are gone.

    Args:
        suite: Has the tasks.
        held: Names of the training tasks that are held out.
    """

    suite: Suite
    held: tuple[str, ...]

    @property
    def name(self) -> str:
        """That of the suite: its tasks are the same."""
        return self.suite.name

    @property
    def options(self) -> Mapping[str, Any]:
        """Those of the suite."""
        return self.suite.options

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """The training tasks that are left."""
        tasks = self.suite.train_tasks
        return tuple(task for task in tasks if task.name not in self.held)

    @property
    def held_out_tasks(self) -> tuple[Task, ...]:
        """The training tasks that are held out."""
        return tuple(t for t in self.suite.train_tasks if t.name in self.held)

    @property
    def goal(self) -> slice | None:
        """Where a state holds the goal, as in the suite; None if it shows none."""
        return self.suite.goal

    def variations(self, task: str, split: str) -> Sequence[int]:
        """Those of the suite."""
        return self.suite.variations(task, split)

    def make_env(self, task: str) -> Env:
        """One of the suite."""
        return self.suite.make_env(task)

    def make_expert(self, task: str) -> Expert:
        """One of the suite."""
        return self.suite.make_expert(task)

    def __getattr__(self, name: str) -> Any:
        """What else the suite may have, such as ``expert_suite``."""
        if name.startswith("_") or name == "suite":  # It is being unpickled.
            raise AttributeError(name)
        return getattr(self.suite, name)


@dataclass(frozen=True)
class GoalFold(Fold):
    """A fold of a suite that numbers its goals."""

    suite: GoalSuite

    def goal_numbers(self, task: str, split: str) -> Sequence[int]:
        """Those of the suite."""
        return self.suite.goal_numbers(task, split)

    def goal_number(self, task: str, variation: int) -> int:
        """That of the suite."""
        return self.suite.goal_number(task, variation)

    def variations_of_goal(self, task: str, goal: int) -> Sequence[int]:
        """Those of the suite."""
        return self.suite.variations_of_goal(task, goal)


def all_held_out(suite: Suite) -> Fold:
    """The suite with all of its tasks held out, as for a robot that was never seen."""
    return _without(suite, tuple(task.name for task in suite.train_tasks))


def folds(suite: Suite, count: int) -> tuple[Fold, ...]:
    """The suite with each of its training tasks held out once.

    Args:
        suite: Has the tasks.
        count: Number of folds; tasks are dealt to them in turn.

    Raises:
        InputError: If a fold would hold out nothing, or everything.
    """
    names = [task.name for task in suite.train_tasks]
    if not 2 <= count <= len(names):
        raise InputError(
            f"{len(names)} training tasks of {suite.name} make no {count} folds; give"
            f" from 2 to {len(names)}, and a suite of 2 training tasks or more."
        )
    return tuple(_without(suite, tuple(names[i::count])) for i in range(count))


def _without(suite: Suite, held: tuple[str, ...]) -> Fold:
    return GoalFold(suite, held) if isinstance(suite, GoalSuite) else Fold(suite, held)
