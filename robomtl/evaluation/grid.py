"""Grid of the outcomes of all trials, for the report page."""

from collections.abc import Iterator, Mapping, Sequence

from robomtl.evaluation.formatting import counted
from robomtl.evaluation.records import Record
from robomtl.evaluation.results import Results
from robomtl.pages.trial_cells import Block, Cell, Clip, Grid, Kind, Row
from robomtl.task import Trial

KINDS = (
    Kind("full", "solved"),
    Kind("half", "solved, not at the end"),
    Kind("empty", "not solved"),
    Kind("cross", "error"),
)


def outcome_grid(results: Results, clips: Mapping[Trial, Clip]) -> Grid:
    """Grid with a row for each task, sorted by tier and success, and a cell for each trial.

    Args:
        results: Results of the evaluation.
        clips: Videos by trial; trials may lack one.
    """
    summary = results.summary
    by_task: dict[str, list[Record]] = {}
    for record in results.records:
        by_task.setdefault(record.task, []).append(record)
    blocks = [
        Block(
            title=tier,
            rows=[
                Row(
                    name=name,
                    note=f"{rates.successes}/{rates.trials}",
                    cells=list(trial_cells(by_task[name], clips)),
                )
                for name, rates in summary.by_success(tier)
            ],
        )
        for tier in summary.tiers or ("",)
    ]
    return Grid(kinds=KINDS, blocks=blocks)


def trial_details(record: Record) -> dict[str, str]:
    """Details of a trial for its cell: variation, repeat and instruction."""
    return {
        "Variation": str(record.variation),
        "Repeat": str(record.repeat) if record.repeat else "",
        "Instruction": record.instruction or "nothing",
    }


def went(record: Record) -> str:
    """Outcome of a trial in words."""
    if record.error is not None:
        return "Error"
    if not record.success:
        return f"Not solved in {counted(record.length or 0, 'step')}"
    when = f"Solved after {counted(record.first_success_step or 0, 'step')}"
    return f"{when}, not at the end" if record.success_at_end is False else when


def trial_cells(
    records: Sequence[Record], clips: Mapping[Trial, Clip]
) -> Iterator[Cell]:
    """Yields a cell for each trial, with its video if there is one."""
    for record in records:
        length = "" if record.length is None else counted(record.length, "step")
        yield Cell(
            kind=_kind(record),
            outcome=went(record),
            details={
                **trial_details(record),
                "Length": length,
                "Reason": record.error or "",
            },
            clip=clips.get(_trial(record)),
        )


def _kind(record: Record) -> str:
    if record.error is not None:
        return "cross"
    if not record.success:
        return "empty"
    return "half" if record.success_at_end is False else "full"


def _trial(record: Record) -> Trial:
    return Trial(record.suite, record.task, record.variation, record.repeat)
