"""A suite that has the tasks of another, and changes its envs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from robomtl.task import Env, Expert, Suite, Task


@dataclass(frozen=True)
class WrappedSuite(ABC):
    """The tasks of a suite; subclasses say what differs."""

    suite: Suite
    """Has the tasks."""
    passed_on: ClassVar[tuple[str, ...]]
    """Optional parts of the suite that hold for this one too; see ``Suite``."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Full name; it ends in that of the suite."""

    @abstractmethod
    def make_env(self, task: str) -> Env:
        """An env of the suite, changed.

        Raises:
            ValueError: If the task is unknown.
        """

    def make_expert(self, task: str) -> Expert:
        """That of the suite.

        Raises:
            ValueError: If the task is unknown or has none.
        """
        return self.suite.make_expert(task)

    @property
    def options(self) -> Mapping[str, Any]:
        """Those of the suite."""
        return self.suite.options

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """Those of the suite."""
        return self.suite.train_tasks

    @property
    def held_out_tasks(self) -> tuple[Task, ...]:
        """Those of the suite."""
        return self.suite.held_out_tasks

    @property
    def goal(self) -> slice | None:
        """That of the suite."""
        return self.suite.goal

    @property
    def undisturbed(self) -> int:
        """Trailing components of an action that are no displacement."""
        return int(getattr(self.suite, "undisturbed_actions", 0))

    @property
    def expert_suite(self) -> Self:
        """That of the suite, changed in the same way.

        Raises:
            AttributeError: If the suite has none.
        """
        shown: Suite = self.suite.expert_suite  # type: ignore[attr-defined]
        return replace(self, suite=shown)

    def variations(self, task: str, split: str) -> Sequence[int]:
        """Those of the suite.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        return self.suite.variations(task, split)

    def __getattr__(self, name: str) -> Any:
        """Optional parts of the suite that hold for this one too."""
        if name not in self.passed_on:
            raise AttributeError(name)
        return getattr(self.suite, name)
