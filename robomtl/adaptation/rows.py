"""The tables of a comparison: a row for each trial, and one for each adaptation."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import pyarrow as pa

from robomtl.adaptation.cell import Cell, trials_of
from robomtl.evaluation.rollout import Outcome
from robomtl.experiments.cost import Cost
from robomtl.experiments.rows import (
    COST_FIELDS,
    OUTCOME_FIELDS,
    TRIAL_FIELDS,
    PlayedRow,
    played,
)
from robomtl.task import Suite

Kind = Literal["query", "retained"]


@dataclass(frozen=True, kw_only=True)
class Named:
    """Which adaptation a row is about."""

    adapted_to: str
    """Name of the task adapted to; empty for the policy as it was trained."""
    goal: int | None
    """Number of the goal adapted to; None where goals are visible."""
    seed: int
    """Seed of training."""
    method: str
    """Label of the method; empty for the policy as it was trained."""
    objective: str
    """What the policy was trained with."""
    shots: int
    """Demonstrations; 0 where the method looks at none."""
    draw: int
    """Number of the draw of the support."""
    steps: int | None
    """Gradient steps asked for; None for those of the method."""
    control: str
    """What is wrong with the support; ``none`` for nothing."""


@dataclass(frozen=True, kw_only=True)
class TrialRow(Named, PlayedRow):
    """A trial after an adaptation, and how it went."""

    kind: Kind
    """``query`` in the task adapted to; ``retained`` in one trained on."""


@dataclass(frozen=True, kw_only=True)
class CellRow(Named):
    """An adaptation and what it took; costs are None where the method gave up."""

    steps_taken: int | None
    samples: int | None
    parameters: int | None
    seconds: float | None
    """Wall time of the adaptation [s]."""
    error: str | None
    """Why the method gave up."""


_NAMED = (
    pa.field("adapted_to", pa.string(), nullable=False),
    pa.field("goal", pa.int64()),
    pa.field("seed", pa.int64(), nullable=False),
    pa.field("method", pa.string(), nullable=False),
    pa.field("objective", pa.string(), nullable=False),
    pa.field("shots", pa.int64(), nullable=False),
    pa.field("draw", pa.int64(), nullable=False),
    pa.field("steps", pa.int64()),
    pa.field("control", pa.string(), nullable=False),
)
TRIALS = pa.schema(
    [  # type: ignore[arg-type]
        *TRIAL_FIELDS,
        pa.field("kind", pa.string(), nullable=False),
        *_NAMED,
        *OUTCOME_FIELDS,
    ]
)
"""Columns of ``trials.parquet``."""
CELLS = pa.schema([*_NAMED, pa.field("steps_taken", pa.int64()), *COST_FIELDS])  # type: ignore[arg-type]
"""Columns of ``cells.parquet``."""


def trial_rows(
    suite: Suite, cell: Cell, objective: str, outcomes: Sequence[Outcome]
) -> list[TrialRow]:
    """The rows of a cell's trials, in their order."""
    query = len(cell.problem.variations) if cell.problem else 0
    named = asdict(_named(cell, objective))
    return [
        TrialRow(
            kind="query" if place < query else "retained",
            **named,
            **played(trial, outcome),
        )
        for place, (trial, outcome) in enumerate(
            zip(trials_of(suite, cell), outcomes, strict=True)
        )
    ]


def cell_row(
    cell: Cell, objective: str, cost: Cost | None, error: str | None
) -> CellRow:
    """The row of a cell."""
    return CellRow(
        **asdict(_named(cell, objective)),
        steps_taken=cost.steps if cost else None,
        samples=cost.samples if cost else None,
        parameters=cost.parameters if cost else None,
        seconds=cost.seconds if cost else None,
        error=error,
    )


def _named(cell: Cell, objective: str) -> Named:
    return Named(
        adapted_to=cell.task,
        goal=cell.goal,
        seed=cell.seed,
        method=cell.method,
        objective=objective,
        shots=cell.shots,
        draw=cell.draw,
        steps=cell.steps,
        control=cell.control,
    )
