"""Base class of suites that wrap another suite and change its envs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from robomtl.task import Env, Expert, Suite, Task


@dataclass(frozen=True)
class WrappedSuite(ABC):
    """A suite that delegates to another one; subclasses change its envs."""

    suite: Suite
    """Wrapped suite, which supplies the tasks."""
    passed_on: ClassVar[tuple[str, ...]]
    """Names of optional members that are delegated to the wrapped suite; see ``Suite``."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Full name, which ends in the wrapped suite's name."""

    @abstractmethod
    def make_env(self, task: str) -> Env:
        """Makes an env of the wrapped suite, with changes.

        Raises:
            ValueError: If the task is unknown.
        """

    def make_expert(self, task: str) -> Expert:
        """Makes the wrapped suite's expert.

        Raises:
            ValueError: If the task is unknown or has no expert.
        """
        return self.suite.make_expert(task)

    @property
    def options(self) -> Mapping[str, Any]:
        """The wrapped suite's options."""
        return self.suite.options

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """The wrapped suite's training tasks."""
        return self.suite.train_tasks

    @property
    def held_out_tasks(self) -> tuple[Task, ...]:
        """The wrapped suite's held-out tasks."""
        return self.suite.held_out_tasks

    @property
    def goal(self) -> slice | None:
        """Slice of the goal in the wrapped suite's states; None if hidden."""
        return self.suite.goal

    @property
    def undisturbed(self) -> int:
        """Number of trailing action components that are not displacements."""
        return int(getattr(self.suite, "undisturbed_actions", 0))

    @property
    def expert_suite(self) -> Self:
        """The wrapped suite's ``expert_suite``, wrapped in the same way.

        Raises:
            AttributeError: If the wrapped suite has none.
        """
        shown: Suite = self.suite.expert_suite  # type: ignore[attr-defined]
        return replace(self, suite=shown)

    def variations(self, task: str, split: str) -> Sequence[int]:
        """The wrapped suite's variations of a task in a split.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        return self.suite.variations(task, split)

    def __getattr__(self, name: str) -> Any:
        """Delegates the optional members in ``passed_on`` to the wrapped suite."""
        if name not in self.passed_on:
            raise AttributeError(name)
        return getattr(self.suite, name)
