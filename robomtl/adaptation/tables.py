"""A comparison of methods as a table for the terminal."""

from rich.table import Table

from robomtl.adaptation.findings import Findings, MethodFindings, Success
from robomtl.evaluation.figures import change, percent, points, span


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
    made.add_column("method", no_wrap=True)
    for shots in found.shots:
        made.add_column(f"K = {shots}", justify="right")
    for name in ("area", "- scratch", "worse", "seconds", "errors"):
        made.add_column(name, justify="right")
    for label, method in found.methods.items():
        made.add_row(label, *_cells(method, found))
    return made


def _cells(method: MethodFindings, found: Findings) -> list[str]:
    probed = method.against_scratch.get(found.probe)
    errors = sum(success.errors for success in method.shots.values())
    took = [took.seconds for took in method.cost.values()]
    return [
        *(_rate(method.shots.get(k) or method.shots.get(0)) for k in found.shots),
        percent(method.area.value if method.area else None),
        f"{points(probed.difference)}\n{change(probed.interval)}" if probed else "–",
        str(len(probed.worse)) if probed else "–",
        f"{max(took):.2g}" if took else "–",
        f"[red]{errors}" if errors else "",
    ]


def _rate(success: Success | None) -> str:
    if success is None or success.task_mean is None:
        return "–"
    return f"{percent(success.task_mean)}\n{span(success.interval)}"
