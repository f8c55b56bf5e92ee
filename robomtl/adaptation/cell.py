"""One adaptation and the trials that judge it: the unit of a comparison of methods."""

import zlib
from dataclasses import dataclass
from typing import Literal

from robomtl.adaptation.benchmark import Problem
from robomtl.task import Suite, Trial

Control = Literal["none", "wrong_task", "wrong_variation", "shuffled_actions"]
"""What is wrong with a support: nothing; it shows another task, or another goal of the
task; or its actions stand at other states of it than those they were taken at."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One policy adapted to one problem in one way, and its trials; light to send."""

    run: str
    """Run directory of the policy."""
    seed: int
    """Seed of its training."""
    method: str
    """Label of the method; empty for the policy as it was trained."""
    problem: Problem | None
    """What is to be learned; None for the policy as it was trained."""
    shots: int
    """Demonstrations; 0 where the method looks at none."""
    draw: int
    """Number of the draw of the support."""
    steps: int | None = None
    """Gradient steps; those of the method if None."""
    control: Control = "none"
    """What is wrong with the support."""
    retained: int = 0
    """Trials of each training task, by which forgetting is seen."""

    @property
    def task(self) -> str:
        """Name of the task adapted to; empty for the policy as it was trained."""
        return self.problem.task if self.problem else ""

    @property
    def goal(self) -> int | None:
        """Number of the goal adapted to, where goals are hidden."""
        return self.problem.goal if self.problem else None

    @property
    def name(self) -> str:
        """What is adapted to what, in words: the same whatever else is compared."""
        names = (self.seed, self.method, self.task, self.goal, self.shots, self.draw)
        return "/".join(map(str, (*names, self.steps, self.control)))

    @property
    def draws(self) -> int:
        """The seed of every random number of the adaptation: 32 bits of its name."""
        return zlib.crc32(self.name.encode())


def trials_of(suite: Suite, cell: Cell) -> tuple[Trial, ...]:
    """The trials of a cell: of its problem, then of each training task."""
    asked = cell.problem.variations if cell.problem else ()
    query = (Trial(suite.name, cell.task, variation) for variation in asked)
    retained = (
        Trial(suite.name, task.name, variation)
        for task in (suite.train_tasks if cell.retained else ())
        for variation in suite.variations(task.name, "fresh")[: cell.retained]
    )
    return (*query, *retained)
