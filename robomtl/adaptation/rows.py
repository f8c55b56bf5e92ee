"""The tables of a comparison: a row for each trial, and one for each adaptation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from robomtl.adaptation.adapting import Cost
from robomtl.adaptation.cell import Cell, trials_of
from robomtl.durable import replacing
from robomtl.evaluation.rollout import Outcome
from robomtl.task import Suite

Kind = Literal["query", "retained"]


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """A trial after an adaptation, and how it went."""

    suite: str
    task: str
    """Name of the task that was played."""
    variation: int
    repeat: int
    kind: Kind
    """``query`` in the task adapted to; ``retained`` in one trained on."""
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
    success: bool | None
    """Whether the task was solved at any step; None after an error."""
    first_success_step: int | None
    length: int | None
    error: str | None
    """Why the trial has no outcome."""
    seconds: float


@dataclass(frozen=True, kw_only=True)
class CellRow:
    """An adaptation and what it took; costs are None where the method gave up."""

    adapted_to: str
    goal: int | None
    seed: int
    method: str
    objective: str
    shots: int
    draw: int
    steps: int | None
    """Gradient steps asked for; None for those of the method."""
    control: str
    steps_taken: int | None
    samples: int | None
    parameters: int | None
    seconds: float | None
    """Wall time of the adaptation [s]."""
    error: str | None
    """Why the method gave up."""


_NAMED = [
    pa.field("adapted_to", pa.string(), nullable=False),
    pa.field("goal", pa.int64()),
    pa.field("seed", pa.int64(), nullable=False),
    pa.field("method", pa.string(), nullable=False),
    pa.field("objective", pa.string(), nullable=False),
    pa.field("shots", pa.int64(), nullable=False),
    pa.field("draw", pa.int64(), nullable=False),
    pa.field("steps", pa.int64()),
    pa.field("control", pa.string(), nullable=False),
]
TRIALS = pa.schema(
    [
        pa.field("suite", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("variation", pa.int64(), nullable=False),
        pa.field("repeat", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        *_NAMED,
        pa.field("success", pa.bool_()),
        pa.field("first_success_step", pa.int64()),
        pa.field("length", pa.int64()),
        pa.field("error", pa.string()),
        pa.field("seconds", pa.float64(), nullable=False),
    ]
)
"""Columns of ``trials.parquet``."""
CELLS = pa.schema(
    [
        *_NAMED,
        pa.field("steps_taken", pa.int64()),
        pa.field("samples", pa.int64()),
        pa.field("parameters", pa.int64()),
        pa.field("seconds", pa.float64()),
        pa.field("error", pa.string()),
    ]
)
"""Columns of ``cells.parquet``."""


def trial_rows(
    suite: Suite, cell: Cell, objective: str, outcomes: Sequence[Outcome]
) -> list[TrialRow]:
    """The rows of a cell's trials, in their order."""
    query = len(cell.problem.variations) if cell.problem else 0
    return [
        TrialRow(
            suite=trial.suite,
            task=trial.task,
            variation=trial.variation,
            repeat=trial.repeat,
            kind="query" if place < query else "retained",
            **_named(cell, objective),
            success=outcome.success,
            first_success_step=outcome.first_success_step,
            length=outcome.length,
            error=outcome.error,
            seconds=outcome.seconds,
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
        **_named(cell, objective),
        steps_taken=cost.steps if cost else None,
        samples=cost.samples if cost else None,
        parameters=cost.parameters if cost else None,
        seconds=cost.seconds if cost else None,
        error=error,
    )


def _named(cell: Cell, objective: str) -> Mapping[str, Any]:
    return {
        "adapted_to": cell.task,
        "goal": cell.goal,
        "seed": cell.seed,
        "method": cell.method,
        "objective": objective,
        "shots": cell.shots,
        "draw": cell.draw,
        "steps": cell.steps,
        "control": cell.control,
    }


def write_rows(
    path: Path, rows: Sequence[TrialRow] | Sequence[CellRow], schema: pa.Schema
) -> None:
    """Writes a table as parquet, in the given order, durably."""
    values = [asdict(row) for row in rows]
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist(values, schema=schema), temporary)
