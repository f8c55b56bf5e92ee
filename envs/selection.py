"""Base classes of suites whose variant selects tasks of a simulator."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from robomtl.camera import Camera
from robomtl.nearest import check_known
from robomtl.pictures import Pictures
from robomtl.ranges import check_counts
from robomtl.splits import SPLITS, find_split
from robomtl.task import Env, Expert, Task, find_task


@dataclass(frozen=True, kw_only=True)
class Selection(ABC):
    """Suite of selected tasks, all of which are trained on; see ``robomtl.task.Suite``."""

    family: ClassVar[str]
    """First part of the suite's name."""
    selections: ClassVar[Mapping[str, str]]
    """Known variants, with a description each."""
    splits: ClassVar[Mapping[str, range]] = SPLITS
    """Variations of every task, by split."""

    variant: str
    """Name of the variant, one of ``selections``."""
    horizon: int
    """Number of steps of an episode."""

    def __post_init__(self) -> None:
        """Checks the variant and the horizon.

        Raises:
            InputError: If the variant is unknown or the horizon is not positive.
        """
        check_known(f"variant of {self.family}", self.variant, self.selections)
        check_counts(self, "horizon")

    @property
    def name(self) -> str:
        """Full name, such as ``robosuite/MT4``."""
        return f"{self.family}/{self.variant}"

    @property
    def options(self) -> Mapping[str, Any]:
        """Options with which ``robomtl.suite`` rebuilds the suite."""
        return {"horizon": self.horizon}

    @property
    @abstractmethod
    def train_tasks(self) -> tuple[Task, ...]:
        """Tasks to train on."""

    @property
    def held_out_tasks(self) -> tuple[Task, ...]:
        """Empty, as no task is held out."""
        return ()

    @property
    @abstractmethod
    def goal(self) -> slice | None:
        """Slice of the goal in a state; None if states have none."""

    def variations(self, task: str, split: str) -> range:
        """Variations of a task in a split, one of ``splits``.

        Raises:
            InputError: If the task or the split is unknown.
        """
        find_task(self, task)
        return find_split(self.splits, split)

    @abstractmethod
    def make_env(self, task: str) -> Env:
        """Makes an env of the task; see ``robomtl.task.Suite``."""

    @abstractmethod
    def make_expert(self, task: str) -> Expert:
        """Expert of the task; see ``robomtl.task.Suite``."""


@dataclass(frozen=True, kw_only=True)
class PicturedSelection(Selection):
    """Suite of selected tasks with optional observed images, and envs that can render."""

    pictures: Pictures | None = None
    """Images that are observed together with the state; None for none."""
    camera: Camera | None = None
    """Camera of ``render``; it changes no episode and is not among the options."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Options with which ``robomtl.suite`` rebuilds the suite."""
        pictures = self.pictures.options if self.pictures else {}
        return {**super().options, **pictures}
