"""Table of trials, with a row for each, stored as parquet."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from robomtl.errors import InputError
from robomtl.evaluation.rollout import Criterion, Outcome
from robomtl.evaluation.trials import Chunk
from robomtl.files.parquet import Parquet, check_rows, schema_of, write_table
from robomtl.files.untrusted import check_file

_LIMIT = 2**30  # Largest size of a file [bytes].
_MOST = 1_000_000  # Largest number of trials.
_BATCH = 10_000  # Number of rows that are converted at once.


@dataclass(frozen=True, kw_only=True)
class Record:
    """Trial and its outcome; see ``Trial`` and ``Outcome`` for the shared fields."""

    suite: str
    task: str
    variation: int
    repeat: int
    success: bool | None
    success_at_end: bool | None
    first_success_step: int | None
    length: int | None
    error: str | None
    seconds: float
    instruction: str | None
    """Instruction of the actor; None if it had none."""

    def solved(self, criterion: Criterion) -> bool | None:
        """Whether the trial counts as solved; None if it has no outcome."""
        return self.success if criterion == "any step" else self.success_at_end


_FIELDS: "list[pa.Field[Any]]" = [
    pa.field("suite", pa.string(), nullable=False),
    pa.field("task", pa.string(), nullable=False),
    pa.field("variation", pa.int64(), nullable=False),
    pa.field("repeat", pa.int64(), nullable=False),
    pa.field("success", pa.bool_()),
    pa.field("success_at_end", pa.bool_()),
    pa.field("first_success_step", pa.int64()),
    pa.field("length", pa.int64()),
    pa.field("error", pa.string()),
    pa.field("seconds", pa.float64(), nullable=False),
    pa.field("instruction", pa.string()),
]
SCHEMA = pa.schema(_FIELDS)
"""Columns of ``trials.parquet``."""


def records_of(chunk: Chunk, outcomes: Sequence[Outcome]) -> list[Record]:
    """Rows of a chunk's trials, in their order."""
    return [
        Record(
            suite=trial.suite,
            task=trial.task,
            variation=trial.variation,
            repeat=trial.repeat,
            instruction=task_info.instruction,
            **asdict(outcome),
        )
        for trial, task_info, outcome in zip(
            chunk.trials, chunk.task_infos, outcomes, strict=True
        )
    ]


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Writes rows as parquet, in the given order, durably."""
    rows = [asdict(record) for record in records]
    write_table(path, pa.Table.from_pylist(rows, schema=SCHEMA))


def read_records(path: Path) -> tuple[Record, ...]:
    """Rows of a file that ``write_records`` wrote.

    Raises:
        InputError: If the file is missing, is not a complete parquet file, has other
            columns, or has no row.
    """
    if not path.exists():
        raise InputError(f"There is no {path}.")
    check_file(path, limit=_LIMIT)
    schema = schema_of(path)
    if not schema.equals(SCHEMA):
        differing = sorted({*map(str, schema)} ^ {*map(str, SCHEMA)})
        raise InputError(
            f"{path} has other columns than a table of trials; differing:"
            f" {'; '.join(differing) or 'their order'}."
        )
    file = Parquet(path, SCHEMA.names)
    if not file.rows:
        raise InputError(f"{path} holds no trial.")
    check_rows(path, file.rows, _MOST)
    batches = file.table().to_batches(max_chunksize=_BATCH)
    return tuple(Record(**row) for batch in batches for row in batch.to_pylist())
