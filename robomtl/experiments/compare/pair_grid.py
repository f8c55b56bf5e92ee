"""A grid of tasks and variations that shows which agent solved which trial."""

from collections.abc import Sequence

from robomtl.evaluation.grid import trial_details, went
from robomtl.experiments.compare.pairing import Pair
from robomtl.pages.trial_cells import Block, Cell, Grid, Kind, Row

KINDS = (
    Kind("left", "A alone"),
    Kind("right", "B alone"),
    Kind("both", "both"),
    Kind("empty", "neither"),
    Kind("cross", "error, no pair"),
)


def pair_grid(pairs: Sequence[Pair], tasks: Sequence[str]) -> Grid:
    """A grid with a row for each task and a cell for each trial, in the order of the plan.

    Args:
        pairs: Trials that both played.
        tasks: Names of the tasks, in the order of the rows.
    """
    by_task: dict[str, list[Cell]] = {name: [] for name in tasks}
    for pair in pairs:
        if pair.a.task in by_task:
            by_task[pair.a.task].append(_cell(pair))
    rows = [
        Row(name=name, note=_counted_alone(cells), cells=cells)
        for name, cells in by_task.items()
    ]
    return Grid(kinds=KINDS, blocks=[Block(title="", rows=rows)])


def _cell(pair: Pair) -> Cell:
    kind = _kind(pair)
    meaning = next(kind_.meaning for kind_ in KINDS if kind_.key == kind)
    return Cell(
        kind=kind,
        outcome="No pair" if kind == "cross" else f"Solved by {meaning}",
        details={
            "A": went(pair.a),
            "B": went(pair.b),
            **trial_details(pair.a),
            "Reason": " / ".join(filter(None, (pair.a.error, pair.b.error))),
        },
    )


def _kind(pair: Pair) -> str:
    if pair.a.error is not None or pair.b.error is not None:
        return "cross"
    if pair.solved_a:
        return "both" if pair.solved_b else "left"
    return "right" if pair.solved_b else "empty"


def _counted_alone(cells: Sequence[Cell]) -> str:
    kinds = [cell.kind for cell in cells]
    return f"{kinds.count('left')} : {kinds.count('right')}"
