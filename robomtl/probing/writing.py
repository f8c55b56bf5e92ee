"""The files of a probe."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from robomtl.actor import TaskInfo
from robomtl.durable import write_json, write_text
from robomtl.evaluation.evaluation import REPORT
from robomtl.evaluation.records import SCHEMA
from robomtl.evaluation.results import RESULTS, TRIALS
from robomtl.parquet import write_table
from robomtl.probing.findings import Findings
from robomtl.probing.page import page
from robomtl.request import plain

COLUMNS = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        *SCHEMA,
        pa.field("told", pa.string()),
        pa.field("goal", pa.list_(pa.float64())),
    ]
)
"""Columns of ``trials.parquet``: those of an evaluation between the kind and what was
told: the task whose instruction it is, and a goal in place of the env's."""

_NOT_OF_ALL = ("instructions", "protocol")  # Fields of a setting that kinds differ in.


def write(
    folder: Path, found: Findings, told: Mapping[str, Sequence[TaskInfo]]
) -> None:
    """Writes ``trials.parquet``, ``results.json`` and ``report.html``, each whole.

    Args:
        folder: Where.
        found: What was found.
        told: What was told in each of its records, by kind.
    """
    rows = [
        {"kind": kind, **asdict(record), "told": each.task, "goal": each.goal}
        for kind, records in found.records.items()
        for record, each in zip(records, told[kind], strict=True)
    ]
    write_table(folder / TRIALS, pa.Table.from_pylist(rows, schema=COLUMNS))
    data = plain(found)
    del data["records"]
    setting = {k: v for k, v in data.pop("setting").items() if k not in _NOT_OF_ALL}
    write_json(folder / RESULTS, {"format": 1, "kind": "probe", **data, **setting})
    write_text(folder / REPORT, page(found))
