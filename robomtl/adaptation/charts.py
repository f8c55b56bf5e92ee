"""Charts of a comparison of methods: success by shots and by gradient steps."""

from dataclasses import replace

from robomtl.adaptation.findings import Findings, MethodFindings
from robomtl.adaptation.planning import BASELINE
from robomtl.experiments.charts import over_tasks, success_chart
from robomtl.experiments.findings import Success
from robomtl.pages.lines import Chart, Style, style


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
        label: {shots: over_tasks(success) for shots, success in method.shots.items()}
        for label, method in found.methods.items()
    }
    return success_chart(drawn, styles(found), "demonstration", ticks=found.shots)


def steps_chart(found: Findings) -> Chart | None:
    """Mean success over tasks against gradient steps; None where none were tried."""
    drawn = {
        label: {
            number: over_tasks(success)
            for number, success in steps(found, each).items()
        }
        for label, each in found.methods.items()
        if each.steps
    }
    return success_chart(drawn, styles(found), "gradient step")


def steps(found: Findings, method: MethodFindings) -> dict[int, Success]:
    """Success by gradient steps at the probed shots, with the method's own among them."""
    own = method.cost.get(found.probe)
    usual = {int(own.steps): method.shots[found.probe]} if own and own.steps else {}
    return dict(sorted({**usual, **method.steps}.items()))


def task_charts(found: Findings) -> list[Chart]:
    """Success against demonstrations, by task, on the same axes; empty for one task."""
    charts = [
        success_chart(
            {
                label: {k: success.tasks.get(task) for k, success in each.shots.items()}
                for label, each in found.methods.items()
            },
            styles(found),
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
