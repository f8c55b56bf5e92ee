"""Charts of a multi-task experiment: success by demonstrations, of every arm."""

from dataclasses import replace

from robomtl.experiments.charts import over_tasks, success_chart
from robomtl.pages.lines import Chart, Style, style
from robomtl.sharing.findings import Findings

_NOUN = "demonstration"


def styles(found: Findings) -> dict[str, Style]:
    """What the line of each arm looks like, the same on the whole page.

    The first is kept for the arm that others are compared with.
    """
    others = [label for label in found.arms if label != found.baseline]
    return {
        label: style(others.index(label) + 1 if label in others else 0)
        for label in found.arms
    }


def arms_chart(found: Findings) -> Chart | None:
    """Mean success over tasks; None without an outcome."""
    drawn = {
        label: {count: over_tasks(success) for count, success in some.items()}
        for label, some in found.arms.items()
    }
    return success_chart(drawn, styles(found), _NOUN, ticks=found.demonstrations)


def task_charts(found: Findings) -> list[Chart]:
    """Success in each task, on the same axes."""
    charts = [
        success_chart(
            {
                label: {count: each.tasks.get(task) for count, each in some.items()}
                for label, some in found.arms.items()
            },
            styles(found),
            _NOUN,
            title=task,
            ticks=found.demonstrations,
        )
        for task in found.tasks
    ]
    there = [chart for chart in charts if chart]
    top = max((chart.top for chart in there), default=1.0)
    return [replace(chart, top=top) for chart in there]
