"""A comparison of methods as a table for the terminal."""

from itertools import compress

from rich.table import Table
from rich.text import Text

from robomtl.adaptation.findings import Findings, MethodFindings
from robomtl.evaluation.figures import percent, points
from robomtl.experiments.findings import Success

_NOTHING = ("", "–")


def methods_table(found: Findings) -> Table:
    """Mean success of each method by shots, with intervals, and what it took."""
    made = Table(
        title=f"{found.benchmark} on {found.suite}: {len(found.seeds)} seeds x"
        f" {found.supports} supports x {found.trials} trials of"
        f" {len(found.tasks)} tasks",
        caption=found.ranking.sentence,
        title_justify="left",
        caption_justify="left",
    )
    names = [f"K = {shots}" for shots in found.shots]
    names += ["area", "- scratch", "worse", "seconds", "errors"]
    rows = [_cells(method, found) for method in found.methods.values()]
    told = [
        any(cell not in _NOTHING for cell in column)
        for column in zip(*rows, strict=True)
    ]
    made.add_column("method", no_wrap=True)
    for name in compress(names, told):
        made.add_column(name, justify="right", no_wrap=True)
    for label, cells in zip(found.methods, rows, strict=True):
        made.add_row(label, *compress(cells, told))
    return made


def _cells(method: MethodFindings, found: Findings) -> list[str | Text]:
    probed = method.against_scratch.get(found.probe)
    errors = sum(success.errors for success in method.shots.values())
    took = [took.seconds for took in method.cost.values()]
    return [
        *(_rate(method.shots.get(k) or method.shots.get(0)) for k in found.shots),
        percent(method.area.value if method.area else None),
        points(probed.difference) if probed else "–",
        str(len(probed.worse)) if probed else "–",
        f"{max(took):.2g}" if took else "–",
        Text(str(errors), "red") if errors else "",
    ]


def _rate(success: Success | None) -> str:
    if success is None or success.task_mean is None:
        return "–"
    return f"{percent(success.task_mean)}\n{_whole(success.interval)}"


def _whole(interval: tuple[float, float] | None) -> str:
    """An interval in whole per cents: eighty columns hold no more."""
    return "" if interval is None else "–".join(f"{100 * end:.0f}" for end in interval)
