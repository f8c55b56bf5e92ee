"""The report of a lifelong experiment."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from markupsafe import Markup

from robomtl.evaluation.formatting import change, counted, percent, points
from robomtl.experiments import report, sections
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.comparison_charts import ComparisonCharts
from robomtl.experiments.entries import NONE, estimate, rate, seconds
from robomtl.experiments.lifelong.lifelong_findings import LifelongFindings, Retained
from robomtl.experiments.lifelong.transfer_measures import FORMULAS
from robomtl.pages.matrix import Entry, matrix_of

_UNCHANGED = Entry("0", "exactly")
_MEASURES = ("final", "learned", "FWT", "NBT", "NBT/c", "AUC")


def lifelong_report(
    findings: LifelongFindings,
    *,
    request: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> report.Report:
    """The report of the findings.

    Args:
        findings: Findings to show.
        request: Settings of the experiment, as plain data.
        provenance: Facts about the run, as in ``results.json``; None to leave them out.
    """
    tasks = tuple(dict.fromkeys(findings.stream))
    shown = ComparisonCharts(
        head="method",
        letter="k",
        names={label: each["name"] for label, each in findings.definitions.items()},
        baseline=None,
        counts=tuple(range(1, len(findings.stream) + 1)),
        success={label: each.curve for label, each in findings.methods.items()},
        tasks=tasks,
    )
    return report.Report(
        title=f"Lifelong learning on {findings.suite}",
        lead=_lead(findings),
        sections=[
            _measures(findings, shown),
            _curve(shown),
            _matrices(findings),
            _forgetting(findings, tasks),
            _cost(findings, shown),
            sections.reasons_section(findings.reasons, "run", "diverged"),
            _facts(findings, request or {}, provenance) if provenance else None,
            sections.folded(
                "config", "Methods and their settings", findings.definitions
            ),
        ],
        footer=[
            sections.footer(
                "All methods learn from the same demonstrations, take the same number of"
                " gradient steps on each task, and play the same trials after each",
                confidence=findings.confidence,
                over="other orders, seeds of training",
                alone="1 run" if findings.orders * findings.seeds == 1 else "",
            ),
            "A policy that has not changed for a task plays its trials once. NBT is exactly"
            " 0 where the policies that act on a task stay the same, bit for bit.",
        ],
    )


def _lead(findings: LifelongFindings) -> str:
    identity = "known" if findings.task_id == "given" else "withheld"
    return (
        f"{counted(len(findings.stream), 'task')} learned one after the other by"
        f" {counted(len(findings.methods), 'method')}, in {counted(findings.orders, 'order')}"
        f" from {counted(findings.seeds, 'seed')} of training, with"
        f" {counted(findings.demonstrations, 'demonstration')} of each task and"
        f" {counted(findings.trials, 'trial')} of each task after each stage; at test, the"
        f" identity of the task is {identity}."
    )


def _measures(
    findings: LifelongFindings, shown: ComparisonCharts
) -> report.Section | None:
    entries = {label: _entries(each) for label, each in findings.methods.items()}
    return sections.section(
        "measures",
        "Transfer and forgetting",
        "success in per cent, differences in percentage points",
        report.Table(shown.table(list(_MEASURES), entries)),
        report.Config([*FORMULAS.items()]),
        brief=True,
    )


def _entries(each: Retained) -> list[Entry]:
    relative = each.relative_forgetting
    return [
        rate(each.final),
        estimate(each.learned),
        estimate(each.forward_transfer),
        _UNCHANGED if each.unchanged else _difference(each.backward_transfer),
        NONE if relative is None else Entry(points(relative)),
        estimate(each.area),
    ]


def _difference(estimate: Estimate | None) -> Entry:
    return (
        NONE
        if estimate is None
        else Entry(points(estimate.value), change(estimate.interval))
    )


def _lost(each: Retained, task: str) -> Entry:
    return _UNCHANGED if each.unchanged else _difference(each.forgetting.get(task))


def _curve(shown: ComparisonCharts) -> report.Section | None:
    curve = shown.chart(shown.success, "task", ticks=shown.counts)
    note = (
        "Horizontal axis: tasks learned so far, logarithmic. Vertical axis: mean success over"
        " these tasks."
    )
    return sections.section(
        "curve",
        "Success on the tasks learned so far",
        "in the given order, in per cent",
        report.Curve(curve, note),
    )


def _matrices(findings: LifelongFindings) -> report.Section | None:
    pictures = {
        label: report.Picture("plot tall", partial(_map, findings, label))
        for label, each in findings.methods.items()
        if each.matrix
    }
    note = (
        "Rows: number of tasks learned so far. Columns: tasks in the order in which they"
        " are learned. Right of the diagonal is the next task, before it is learned."
    )
    return sections.section(
        "matrix",
        "Success after each task",
        "in the given order, mean over seeds, in per cent",
        *sections.folds(pictures),
        report.Text(note, tone="soft"),
    )


def _map(findings: LifelongFindings, label: str) -> Markup:
    # Matplotlib takes half a second to load, and the terminal shows no charts.
    from robomtl.pages.success_map import success_map

    rates = findings.methods[label].matrix
    words = [
        f"after {stage}: {', '.join(f'{t} {percent(r)}' for t, r in some.items())}"
        for stage, some in rates.items()
    ]
    tasks = tuple(dict.fromkeys(findings.stream))
    return success_map([*rates], tasks, rates, summary=f"{label}, {'; '.join(words)}")


def _forgetting(
    findings: LifelongFindings, tasks: tuple[str, ...]
) -> report.Section | None:
    labels = [label for label, each in findings.methods.items() if each.forgetting]
    rows = {
        task: [_lost(findings.methods[label], task) for label in labels]
        for task in tasks
    }
    return sections.section(
        "forgetting",
        "Forgetting of each task",
        "success right after learning minus success at the end, in percentage points",
        report.Table(matrix_of("task", labels, rows) if labels else None),
    )


def _cost(findings: LifelongFindings, shown: ComparisonCharts) -> report.Section | None:
    entries = {
        label: [
            Entry(seconds(took.seconds)),
            Entry(f"{took.steps:,.0f}"),
            Entry(f"{took.samples:,.0f}"),
            Entry(f"{took.parameters:,.0f}"),
        ]
        for label, took in findings.cost.items()
    }
    columns = ["training [s]", "steps", "samples", "parameters"]
    return sections.section(
        "cost",
        "Cost",
        "of the whole stream, with one thread; medians over orders and seeds",
        report.Table(shown.table(columns, entries) if entries else None),
    )


def _facts(
    findings: LifelongFindings,
    request: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> report.Section:
    requested = {**request, "stream": findings.stream}
    settings = sections.settings(requested, leave=("methods", "settings"))
    read = {"demonstrations": provenance["demonstrations"]}
    return sections.facts("Experiment", settings, sections.run_facts(read, provenance))
