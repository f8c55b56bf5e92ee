"""Tables of trials and cells: what every experiment writes of a trial."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from robomtl.evaluation.rollout import Outcome
from robomtl.parquet import write_table
from robomtl.task import Trial

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, kw_only=True)
class PlayedRow:
    """A trial and how it went."""

    suite: str
    task: str
    """Name of the task that was played."""
    variation: int
    repeat: int
    success: bool | None
    """Whether the task was solved at any step; None after an error."""
    first_success_step: int | None
    length: int | None
    error: str | None
    """Why the trial has no outcome."""
    seconds: float


TRIAL_FIELDS = (
    pa.field("suite", pa.string(), nullable=False),
    pa.field("task", pa.string(), nullable=False),
    pa.field("variation", pa.int64(), nullable=False),
    pa.field("repeat", pa.int64(), nullable=False),
)
"""Columns that name a trial."""
OUTCOME_FIELDS = (
    pa.field("success", pa.bool_()),
    pa.field("first_success_step", pa.int64()),
    pa.field("length", pa.int64()),
    pa.field("error", pa.string()),
    pa.field("seconds", pa.float64(), nullable=False),
)
"""Columns of how it went."""
COST_FIELDS = (
    pa.field("samples", pa.int64()),
    pa.field("parameters", pa.int64()),
    pa.field("seconds", pa.float64()),
    pa.field("error", pa.string()),
)
"""Columns of what a cell took, or why it gave up."""


def played(trial: Trial, outcome: Outcome) -> dict[str, Any]:
    """The values of a ``PlayedRow``, by name."""
    return {
        "suite": trial.suite,
        "task": trial.task,
        "variation": trial.variation,
        "repeat": trial.repeat,
        "success": outcome.success,
        "first_success_step": outcome.first_success_step,
        "length": outcome.length,
        "error": outcome.error,
        "seconds": outcome.seconds,
    }


def write_rows(
    path: Path, rows: Sequence["DataclassInstance"], schema: pa.Schema
) -> None:
    """Writes dataclasses as parquet, in the given order, durably."""
    values = [asdict(row) for row in rows]
    write_table(path, pa.Table.from_pylist(values, schema=schema))
