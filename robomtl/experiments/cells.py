"""Cells: the units of experiments, each learned and played as a whole by a worker."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from robomtl.evaluation.journal_lines import Done
from robomtl.evaluation.rollout import Outcome
from robomtl.task import Trial

Scalar = str | int | float | bool | None
Factors = Mapping[str, Scalar]
"""Factors by name that distinguish cells or trials: columns of the tables."""


@dataclass(frozen=True, kw_only=True)
class Cell(ABC):
    """A unit of an experiment; small, since it is sent to a worker process."""

    trials: tuple[Trial, ...]
    """Trials that the cell plays."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The cell's name in the journal, which does not depend on the other cells."""

    @property
    @abstractmethod
    def factors(self) -> Factors:
        """Factors that distinguish the cell from others."""

    @property
    def noted(self) -> Factors:
        """Further columns of the table of cells."""
        return {}

    @property
    def label(self) -> str:
        """The cell's name in the progress line."""
        return self.name

    @property
    def kind(self) -> Hashable:
        """Key of the cell's slow-to-build parts, such as envs; see ``Executor.map``."""
        return None

    @property
    def units(self) -> int:
        """Expected duration relative to other cells."""
        return 1

    def factors_of(self, place: int) -> Factors:
        """Factors of the trial with index ``place`` in the cell."""
        return self.factors


C = TypeVar("C", bound=Cell)


class Row(NamedTuple, Generic[C]):
    """A trial of a cell and its outcome: a row of the long-form table."""

    cell: C
    place: int
    """Index of the trial among those of the cell."""
    outcome: Outcome

    @property
    def trial(self) -> Trial:
        """The trial."""
        return self.cell.trials[self.place]

    @property
    def start(self) -> tuple[int, int]:
        """Variation and repeat of the trial."""
        return self.trial.variation, self.trial.repeat

    @property
    def success(self) -> bool | None:
        """Whether the trial was solved; None after an error."""
        return self.outcome.success


class Finished(NamedTuple, Generic[C]):
    """A cell and its outcome."""

    cell: C
    done: Done


def reasons_of(finished: Iterable[Finished[C]]) -> Counter[str]:
    """Number of cells that failed, by reason."""
    return Counter(done.reason for _, done in finished if done.reason)


def rows_of(finished: Sequence[Finished[C]]) -> Iterator[Row[C]]:
    """The trials of cells, cell by cell."""
    for cell, done in finished:
        for place, outcome in enumerate(done.outcomes):
            yield Row(cell, place, outcome)
