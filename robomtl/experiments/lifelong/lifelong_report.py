"""The report of a lifelong experiment."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from markupsafe import Markup

from robomtl.evaluation.figures import change, counted, percent, points
from robomtl.experiments import report, sections
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.compared import Compared
from robomtl.experiments.entries import NONE, estimate, rate, seconds
from robomtl.experiments.lifelong.lifelong_findings import LifelongFindings, Retained
from robomtl.experiments.lifelong.transfer_measures import FORMULAS
from robomtl.pages.matrix import Entry, matrix_of

_UNCHANGED = Entry("0", "exactly")
_MEASURES = ("final", "learned", "FWT", "NBT", "NBT/c", "AUC")


def lifelong_report(
    found: LifelongFindings,
    *,
    request: Mapping[str, Any] | None = None,
    made: Mapping[str, Any] | None = None,
) -> report.Report:
    """The report of the findings.

    Args:
        found: Findings to show.
        request: Settings of the experiment, as plain data.
        made: Facts about the run, as in ``results.json``; None to leave them out.
    """
    tasks = tuple(dict.fromkeys(found.stream))
    shown = Compared(
        head="method",
        letter="k",
        names={label: each["name"] for label, each in found.definitions.items()},
        baseline=None,
        counts=tuple(range(1, len(found.stream) + 1)),
        success={label: each.curve for label, each in found.methods.items()},
        tasks=tasks,
    )
    return report.Report(
        title=f"Lifelong learning on {found.suite}",
        lead=_lead(found),
        sections=[
            _measures(found, shown),
            _curve(shown),
            _matrices(found),
            _forgetting(found, tasks),
            _cost(found, shown),
            sections.reasons_section(found.reasons, "run", "diverged"),
            _facts(found, request or {}, made) if made else None,
            sections.folded("config", "Methods and their settings", found.definitions),
        ],
        footer=[
            sections.footer(
                "All methods learn from the same demonstrations, take the same number of"
                " gradient steps on each task, and play the same trials after each",
                confidence=found.confidence,
                over="other orders, seeds of training",
                alone="1 run" if found.orders * found.seeds == 1 else "",
            ),
            "A policy that has not changed for a task plays its trials once. NBT is exactly"
            " 0 where the policies that act on a task stay the same, bit for bit.",
        ],
    )


def _lead(found: LifelongFindings) -> str:
    identity = "known" if found.task_id == "given" else "withheld"
    return (
        f"{counted(len(found.stream), 'task')} learned one after the other by"
        f" {counted(len(found.methods), 'method')}, in {counted(found.orders, 'order')}"
        f" from {counted(found.seeds, 'seed')} of training, with"
        f" {counted(found.demonstrations, 'demonstration')} of each task and"
        f" {counted(found.trials, 'trial')} of each task after each stage; at test, the"
        f" identity of the task is {identity}."
    )


def _measures(found: LifelongFindings, shown: Compared) -> report.Section | None:
    entries = {label: _entries(each) for label, each in found.methods.items()}
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


def _difference(found: Estimate | None) -> Entry:
    return NONE if found is None else Entry(points(found.value), change(found.interval))


def _lost(each: Retained, task: str) -> Entry:
    return _UNCHANGED if each.unchanged else _difference(each.forgetting.get(task))


def _curve(shown: Compared) -> report.Section | None:
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


def _matrices(found: LifelongFindings) -> report.Section | None:
    pictures = {
        label: report.Picture("plot tall", partial(_map, found, label))
        for label, each in found.methods.items()
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


def _map(found: LifelongFindings, label: str) -> Markup:
    # Matplotlib takes half a second to load, and the terminal shows no charts.
    from robomtl.pages.success_map import success_map

    rates = found.methods[label].matrix
    words = [
        f"after {stage}: {', '.join(f'{t} {percent(r)}' for t, r in some.items())}"
        for stage, some in rates.items()
    ]
    tasks = tuple(dict.fromkeys(found.stream))
    return success_map([*rates], tasks, rates, summary=f"{label}, {'; '.join(words)}")


def _forgetting(
    found: LifelongFindings, tasks: tuple[str, ...]
) -> report.Section | None:
    labels = [label for label, each in found.methods.items() if each.forgetting]
    rows = {
        task: [_lost(found.methods[label], task) for label in labels] for task in tasks
    }
    return sections.section(
        "forgetting",
        "Forgetting of each task",
        "success right after learning minus success at the end, in percentage points",
        report.Table(matrix_of("task", labels, rows) if labels else None),
    )


def _cost(found: LifelongFindings, shown: Compared) -> report.Section | None:
    entries = {
        label: [
            Entry(seconds(took.seconds)),
            Entry(f"{took.steps:,.0f}"),
            Entry(f"{took.samples:,.0f}"),
            Entry(f"{took.parameters:,.0f}"),
        ]
        for label, took in found.cost.items()
    }
    columns = ["training [s]", "steps", "samples", "parameters"]
    return sections.section(
        "cost",
        "Cost",
        "of the whole stream, with one thread; medians over orders and seeds",
        report.Table(shown.table(columns, entries) if entries else None),
    )


def _facts(
    found: LifelongFindings, request: Mapping[str, Any], made: Mapping[str, Any]
) -> report.Section:
    requested = {**request, "stream": found.stream}
    settings = sections.settings(requested, leave=("methods", "settings"))
    read = {"demonstrations": made["demonstrations"]}
    return sections.facts("Experiment", settings, sections.run_facts(read, made))
