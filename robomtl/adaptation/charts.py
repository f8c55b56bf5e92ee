"""Charts of a comparison of methods: success by shots and by gradient steps."""

from collections.abc import Mapping
from dataclasses import replace

from robomtl.adaptation.findings import Findings, MethodFindings
from robomtl.adaptation.planning import BASELINE
from robomtl.evaluation.figures import counted, percent, span
from robomtl.experiments.findings import Success, TaskSuccess
from robomtl.pages.lines import Chart, Line, Point, Style, style, top_of


def styles(found: Findings) -> dict[str, Style]:
    """What the lines of each method look like, the same on the whole page.

    The first is kept for the one that others are compared with.
    """
    others = [k for k, method in found.methods.items() if method.method != BASELINE]
    return {
        label: style(others.index(label) + 1 if label in others else 0)
        for label in found.methods
    }


def shots_chart(found: Findings) -> Chart | None:
    """Mean success over tasks against demonstrations; None without an outcome."""
    drawn = {
        label: {shots: _all(success) for shots, success in method.shots.items()}
        for label, method in found.methods.items()
    }
    return _chart(found, drawn, "demonstration", ticks=found.shots)


def steps_chart(found: Findings) -> Chart | None:
    """Mean success over tasks against gradient steps; None where none were tried."""
    drawn = {
        label: {number: _all(success) for number, success in steps(found, each).items()}
        for label, each in found.methods.items()
        if each.steps
    }
    return _chart(found, drawn, "gradient step")


def steps(found: Findings, method: MethodFindings) -> dict[int, Success]:
    """Success by gradient steps at the probed shots, with the method's own among them."""
    own = method.cost.get(found.probe)
    usual = {int(own.steps): method.shots[found.probe]} if own and own.steps else {}
    return dict(sorted({**usual, **method.steps}.items()))


def task_charts(found: Findings) -> list[Chart]:
    """Success against demonstrations, by task, on the same axes; empty for one task."""
    charts = [
        _chart(
            found,
            {
                label: {k: success.tasks.get(task) for k, success in each.shots.items()}
                for label, each in found.methods.items()
            },
            "demonstration",
            title=task,
            ticks=found.shots,
        )
        for task in found.tasks
    ]
    if len(charts) < 2:
        return []
    there = [chart for chart in charts if chart]
    top = max((chart.top for chart in there), default=1.0)
    return [replace(chart, top=top) for chart in there]


def _all(success: Success) -> TaskSuccess | None:
    """The mean over tasks, as if of one."""
    if success.task_mean is None or success.interval is None:
        return None
    return TaskSuccess(
        success=success.task_mean,
        interval=success.interval,
        trials=success.trials,
        errors=success.errors,
    )


def _chart(
    found: Findings,
    drawn: Mapping[str, Mapping[int, TaskSuccess | None]],
    noun: str,
    *,
    title: str = "",
    ticks: tuple[int, ...] = (),
) -> Chart | None:
    """Of methods' success by a number of things; None if there is nothing to draw."""
    look = styles(found)
    lines = [
        Line(
            name=label,
            style=look[label],
            points=[
                _point(label, at, counted(at, noun), success)
                for at, success in some.items()
                if success
            ],
        )
        for label, some in drawn.items()
        if any(some.values())
    ]
    if not lines:
        return None
    told = "; ".join(point.text for line in lines for point in line.points)
    of = f" in {title}" if title else ""
    return Chart(
        lines=lines,
        title=title,
        summary=f"Success{of} by {noun}s: {told}",
        ticks=ticks,
        top=top_of(lines),
    )


def _point(label: str, at: int, where: str, success: TaskSuccess) -> Point:
    rate, interval = percent(success.success), span(success.interval)
    return Point(
        at=at,
        rate=success.success,
        interval=success.interval,
        text=f"{label}, {where}: {rate} ({interval}), {counted(success.trials, 'trial')}",
    )
