"""A probe as tables for the terminal."""

from collections.abc import Mapping

from rich.table import Table

from robomtl.evaluation.figures import change, percent, points
from robomtl.probing.findings import Difference, Findings
from robomtl.probing.kinds import RIGHT

ALL = "all tasks"
SHARED = "tasks that share scenes"


def kinds_table(found: Findings) -> Table:
    """Success of each task by what was told, with the means at the bottom."""
    made = Table(
        title=f"{found.setting.agent} on {found.setting.suite}, by what it is told",
        caption="\n".join(_lines(found)),
        title_justify="left",
        caption_justify="left",
    )
    made.add_column("task", overflow="fold")
    for kind in found.kinds:
        made.add_column(kind, justify="right", no_wrap=True)
    for task in found.kinds[RIGHT].tasks:
        cells = [rates.tasks.get(task) for rates in found.kinds.values()]
        made.add_row(task, *(percent(c.success) if c else "" for c in cells))
    made.add_section()
    means = [percent(rates.task_mean) for rates in found.kinds.values()]
    made.add_row("task mean", *means, style="bold")
    if found.ambiguous is not None:
        shared = [found.ambiguous.kinds.get(kind) for kind in found.kinds]
        cells_of = [percent(each.task_mean) if each else "" for each in shared]
        made.add_row(SHARED, *cells_of, style="bold")
    return made


def difference_table(found: Findings) -> Table:
    """Right less each other kind in percentage points, over all tasks and by family."""
    made = Table(
        title="Right minus each kind, in percentage points, with 95 % intervals",
        caption=found.verdict.sentence,
        title_justify="left",
        caption_justify="left",
    )
    made.add_column("over", overflow="fold")
    for kind in found.differences:
        made.add_column(kind, justify="right")
    for name, differences in _groups(found).items():
        cells = [_cell(differences.get(kind)) for kind in found.differences]
        made.add_row(name, *cells)
    return made


def _groups(found: Findings) -> dict[str, Mapping[str, Difference]]:
    """Differences by the tasks they are over; no tasks stand there twice."""
    groups: dict[str, Mapping[str, Difference]] = {ALL: found.differences}
    shared = {} if found.ambiguous is None else {SHARED: found.ambiguous}
    seen = {tuple(found.kinds[RIGHT].tasks)}
    for name, each in {**shared, **found.families}.items():
        if each.tasks not in seen:
            groups[name] = each.differences
        seen.add(each.tasks)
    return groups


def _cell(difference: Difference | None) -> str:
    if difference is None:
        return ""
    return f"{points(difference.difference)}\n{change(difference.interval)}"


def _lines(found: Findings) -> list[str]:
    told = [f"{kind}: {rates.told}" for kind, rates in found.kinds.items()]
    left = [f"{kind} left out: {why}" for kind, why in found.left_out.items()]
    return [*told, *left, *([found.warning] if found.warning else [])]
