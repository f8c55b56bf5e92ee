"""The tables of a multi-task experiment: a row for each trial, and for each policy."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from robomtl.evaluation.rollout import Outcome
from robomtl.experiments.rows import (
    COST_FIELDS,
    OUTCOME_FIELDS,
    TRIAL_FIELDS,
    PlayedRow,
    played,
)
from robomtl.experiments.running import Done
from robomtl.sharing.cell import Cell
from robomtl.task import Trial


@dataclass(frozen=True, kw_only=True)
class Named:
    """Which policy a row is about."""

    arm: str
    """Label of the arm."""
    learned: str
    """Name of the task it learned; ``all`` for a policy of all tasks."""
    demonstrations: int
    """Of each task."""
    seed: int
    """Of training."""


@dataclass(frozen=True, kw_only=True)
class TrialRow(Named, PlayedRow):
    """A trial of a policy, and how it went."""


@dataclass(frozen=True, kw_only=True)
class CellRow(Named):
    """A policy and what its training took; costs are None where that diverged."""

    data: str
    """sha256 of the demonstrations it read, of each task in turn, with commas between."""
    steps: int | None
    """Gradient steps."""
    samples: int | None
    """Samples in these steps together."""
    parameters: int | None
    seconds: float | None
    """Wall time of the training [s]."""
    error: str | None
    """Why there is none."""


_NAMED = (
    pa.field("arm", pa.string(), nullable=False),
    pa.field("learned", pa.string(), nullable=False),
    pa.field("demonstrations", pa.int64(), nullable=False),
    pa.field("seed", pa.int64(), nullable=False),
)
TRIALS = pa.schema([*TRIAL_FIELDS, *_NAMED, *OUTCOME_FIELDS])  # type: ignore[arg-type]
"""Columns of ``trials.parquet``."""
CELLS = pa.schema(
    [  # type: ignore[arg-type]
        *_NAMED,
        pa.field("data", pa.string(), nullable=False),
        pa.field("steps", pa.int64()),
        *COST_FIELDS,
    ]
)
"""Columns of ``cells.parquet``."""


def trial_rows(
    cell: Cell, trials: Sequence[Trial], outcomes: Sequence[Outcome]
) -> list[TrialRow]:
    """The rows of a cell's trials, in their order."""
    named = asdict(_named(cell))
    return [
        TrialRow(**named, **played(trial, outcome))
        for trial, outcome in zip(trials, outcomes, strict=True)
    ]


def cell_row(cell: Cell, done: Done, hashes: Mapping[str, str]) -> CellRow:
    """The row of a cell.

    Args:
        cell: Which.
        done: What came of it.
        hashes: Of its demonstrations, by task.
    """
    cost = done.cost
    return CellRow(
        **asdict(_named(cell)),
        data=",".join(hashes[task] for task in cell.tasks),
        steps=cost.steps if cost else None,
        samples=cost.samples if cost else None,
        parameters=cost.parameters if cost else None,
        seconds=cost.seconds if cost else None,
        error=done.reason,
    )


def _named(cell: Cell) -> Named:
    return Named(
        arm=cell.arm,
        learned=cell.learned,
        demonstrations=cell.demonstrations,
        seed=cell.seed,
    )
