"""Long-form tables of an experiment: a row for each trial, and a row for each cell."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from robomtl.experiments.cells import C, Factors, Finished, Row, rows_of
from robomtl.files.parquet import write_table

_TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
_TRIAL = {
    "suite": pa.string(),
    "task": pa.string(),
    "variation": pa.int64(),
    "repeat": pa.int64(),
}
_OUTCOME = {
    "success": pa.bool_(),
    "first_success_step": pa.int64(),
    "length": pa.int64(),
    "error": pa.string(),
    "seconds": pa.float64(),
}
_COST = {"steps": pa.int64(), "samples": pa.int64(), "parameters": pa.int64()}


def trial_table(finished: Sequence[Finished[C]]) -> Any:
    """Trial, factors and outcome of every trial, as an arrow table."""
    rows = [_trial(row) for row in rows_of(finished)]
    factors = [row.cell.factors_of(row.place) for row in rows_of(finished)]
    return _table(rows, _TRIAL | _types(factors) | _OUTCOME)


def cell_table(finished: Sequence[Finished[C]]) -> Any:
    """Factors and cost of every cell, or the reason of its failure, as an arrow table.

    Gradient steps are called ``steps_taken`` where requested ``steps`` are a factor.
    """
    factors = [{**cell.factors, **cell.noted} for cell, _ in finished]
    taken = {"steps_taken" if k in factors[0] else k: v for k, v in _COST.items()}
    rows = [
        {**own, **_cost(each, [*taken])}
        for own, each in zip(factors, finished, strict=True)
    ]
    types = {"seconds": pa.float64(), "error": pa.string()}
    return _table(rows, _types(factors) | taken | types)


def write_tables(folder: Path, finished: Sequence[Finished[C]]) -> None:
    """Writes ``trials.parquet`` and ``cells.parquet``, each atomically."""
    write_table(folder / "trials.parquet", trial_table(finished))
    write_table(folder / "cells.parquet", cell_table(finished))


def _trial(row: Row[C]) -> dict[str, Any]:
    outcome = asdict(row.outcome)
    return {
        **vars(row.trial),
        **row.cell.factors_of(row.place),
        **{name: outcome[name] for name in _OUTCOME},
    }


def _cost(finished: Finished[C], names: Sequence[str]) -> dict[str, Any]:
    cost, error = finished.done.cost, finished.done.reason
    if cost is None:
        return {"error": error}
    taken = cost.steps, cost.samples, cost.parameters
    return {
        **dict(zip(names, taken, strict=True)),
        "seconds": cost.seconds,
        "error": error,
    }


def _types(factors: Sequence[Factors]) -> dict[str, Any]:
    names = factors[0] if factors else ()  # No trial: policies of which none is played.
    return {name: _type(factors, name) for name in names}


def _type(rows: Sequence[Mapping[str, Any]], name: str) -> Any:
    """Arrow type of a column; an integer where every value is None."""
    known = (row[name] for row in rows if row[name] is not None)
    return _TYPES[type(next(known, 0))]


def _table(rows: Sequence[Mapping[str, Any]], types: Mapping[str, Any]) -> Any:
    return pa.Table.from_pylist(rows, schema=pa.schema(types))
