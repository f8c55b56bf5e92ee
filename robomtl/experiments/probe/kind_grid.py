"""A grid of trial outcomes by task and kind of instruction."""

from collections.abc import Sequence
from dataclasses import replace

from robomtl.evaluation.grid import KINDS as OUTCOMES
from robomtl.evaluation.grid import trial_cells
from robomtl.evaluation.records import Record
from robomtl.experiments.probe.kinds import RIGHT
from robomtl.experiments.probe.probe_rates import InstructionFindings
from robomtl.pages.trial_cells import Block, Grid, Row


def kind_grid(findings: InstructionFindings) -> Grid:
    """A block per task that shares a scene (per task if none does), a row per kind."""
    shared = findings.ambiguous
    tasks = findings.kinds[RIGHT].tasks if shared is None else shared.tasks
    blocks = []
    for task in tasks:
        by_kind = {
            kind: [record for record in records if record.task == task]
            for kind, records in findings.records.items()
        }
        rows = [_row(task, kind, some) for kind, some in by_kind.items() if some]
        blocks.append(Block(title=task, rows=rows))
    return Grid(kinds=OUTCOMES, blocks=blocks)


def _row(task: str, kind: str, records: Sequence[Record]) -> Row:
    cells = [
        replace(cell, details={"Task": task, **cell.details})
        for cell in trial_cells(records, {})
    ]
    solved = sum(bool(record.success) for record in records)
    ended = sum(record.error is None for record in records)
    return Row(name=kind, note=f"{solved}/{ended}", cells=cells)
