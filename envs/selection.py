"""Suites whose variant selects tasks of one simulator: what they share."""

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
    """A selection of tasks, all of which are trained on; see ``robomtl.task.Suite``."""

    family: ClassVar[str]
    """The first part of the suite's name."""
    selections: ClassVar[Mapping[str, str]]
    """Known variants, with a line each."""
    splits: ClassVar[Mapping[str, range]] = SPLITS
    """Variations of every task."""

    variant: str
    """One of ``selections``."""
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
        """What ``robomtl.suite`` takes besides the name."""
        return {"horizon": self.horizon}

    @property
    @abstractmethod
    def train_tasks(self) -> tuple[Task, ...]:
        """Tasks to train on."""

    @property
    def held_out_tasks(self) -> tuple[Task, ...]:
        """None."""
        return ()

    @property
    @abstractmethod
    def goal(self) -> slice | None:
        """Where the goal lies in a state; None if states hold none."""

    def variations(self, task: str, split: str) -> range:
        """The variations of a task in a split, one of ``splits``.

        Raises:
            InputError: If the task or the split is unknown.
        """
        find_task(self, task)
        return find_split(self.splits, split)

    @abstractmethod
    def make_env(self, task: str) -> Env:
        """An env of the task; see ``robomtl.task.Suite``."""

    @abstractmethod
    def make_expert(self, task: str) -> Expert:
        """The expert of the task; see ``robomtl.task.Suite``."""


@dataclass(frozen=True, kw_only=True)
class PicturedSelection(Selection):
    """A selection whose observations may hold pictures, and whose envs can be seen."""

    pictures: Pictures | None = None
    """Pictures that observations hold beside the state; None for none."""
    camera: Camera | None = None
    """Looks at the envs; it changes no episode and is not among the options."""

    @property
    def options(self) -> Mapping[str, Any]:
        """What ``robomtl.suite`` takes besides the name."""
        pictures = self.pictures.options if self.pictures else {}
        return {**super().options, **pictures}
