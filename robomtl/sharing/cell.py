"""One policy to be trained and played: the unit of a multi-task experiment."""

from dataclasses import dataclass
from pathlib import Path

from robomtl.names import file_name
from robomtl.task import Suite, Trial

ALL = "all"
"""In place of a task's name, for a policy of all tasks."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A policy of an arm, and the tasks it learns and plays; light to send."""

    arm: str
    """Label of the arm."""
    demonstrations: int
    """Of each task."""
    seed: int
    """Of training."""
    tasks: tuple[str, ...]
    """Names of what it learns."""
    learned: str
    """The name of the task, or ``ALL``."""

    @property
    def name(self) -> str:
        """What the cell is called in the journal: the same however many others join."""
        return f"{self.arm}/{self.demonstrations}/{self.seed}/{self.learned}"

    def run(self, folder: Path) -> Path:
        """Its run directory."""
        return (
            folder
            / file_name(self.arm)
            / f"{self.demonstrations}-demonstrations"
            / f"seed-{self.seed}"
            / file_name(self.learned)
        )


def trials_of(suite: Suite, cell: Cell, count: int) -> tuple[Trial, ...]:
    """The first fresh trials of each task of a cell: the same for all arms."""
    return tuple(
        Trial(suite.name, task, variation)
        for task in cell.tasks
        for variation in suite.variations(task, "fresh")[:count]
    )
