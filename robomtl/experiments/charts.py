"""Charts of success against a number of things, with intervals."""

from collections.abc import Mapping

from robomtl.evaluation.figures import counted, percent, span
from robomtl.experiments.findings import Success, TaskSuccess
from robomtl.pages.lines import Chart, Line, Point, Style, top_of


def over_tasks(success: Success) -> TaskSuccess | None:
    """The mean over tasks, as if of one; None without an outcome."""
    if success.task_mean is None or success.interval is None:
        return None
    return TaskSuccess(
        success=success.task_mean,
        interval=success.interval,
        trials=success.trials,
        errors=success.errors,
    )


def success_chart(
    drawn: Mapping[str, Mapping[int, TaskSuccess | None]],
    look: Mapping[str, Style],
    noun: str,
    *,
    title: str = "",
    ticks: tuple[int, ...] = (),
) -> Chart | None:
    """Lines of success by a number of things; None if there is nothing to draw.

    Args:
        drawn: By label, then by number.
        look: What the line of each label looks like.
        noun: What is counted, as one of it.
        title: What is drawn; empty for all tasks.
        ticks: Numbers to have on the axis besides those of the lines.
    """
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
