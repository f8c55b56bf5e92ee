"""The report of a multi-task experiment."""

from collections.abc import Iterator, Mapping
from typing import Any

from robomtl.evaluation.formatting import change, counted, points
from robomtl.experiments import report, sections
from robomtl.experiments.comparison_charts import ComparisonCharts
from robomtl.experiments.entries import NONE, rate, seconds
from robomtl.experiments.findings import Difference
from robomtl.experiments.multitask.affinity_report import affinity_section
from robomtl.experiments.multitask.arm_findings import MultitaskFindings
from robomtl.experiments.multitask.arms import BASELINE
from robomtl.experiments.multitask.mixtures import mixture_section
from robomtl.pages.matrix import Entry, Matrix, matrix_of

_EQUAL = {
    "policies": "networks",
    "parameters of each": "parameters",
    "of all": "parameters_total",
    "steps of each": "steps",
    "batch": "batch",
    "samples a task": "samples_per_task",
}


def arms_report(
    findings: MultitaskFindings,
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
    shown = _compared(findings)
    return report.Report(
        title=f"Multi-task learning on {findings.suite}",
        lead=_lead(findings),
        sections=[
            sections.answers("answer", _answers(findings, shown)),
            _side_by_side(findings, shown),
            shown.success_section(
                findings.area, "demonstrations of each task, on a logarithmic scale"
            ),
            _differences(findings, shown),
            *_suites(findings, shown),
            sections.section(
                "tasks",
                "Tasks",
                "success by demonstrations, in per cent",
                report.Panels(shown.panels()),
            ),
            affinity_section(findings.affinity),
            mixture_section(findings.mixture),
            _equal(findings, shown),
            _cost(findings, shown),
            sections.reasons_section(findings.reasons, "training", "diverged"),
            _facts(findings, request or {}, provenance) if provenance else None,
            sections.folded("config", "Arms and their settings", _config(findings)),
        ],
        footer=[_footer(findings), sections.NAUC],
    )


def _compared(findings: MultitaskFindings) -> ComparisonCharts:
    return ComparisonCharts(
        head="arm",
        letter="N",
        names={label: each.base for label, each in findings.definitions.items()},
        baseline=findings.baseline,
        counts=findings.demonstrations,
        success=findings.arms,
        tasks=findings.tasks,
    )


def _cost(
    findings: MultitaskFindings, shown: ComparisonCharts
) -> report.Section | None:
    return sections.section(
        "cost",
        "Cost",
        "of all trainings of one seed, each with one thread; medians over seeds",
        report.Table(shown.cost_table(findings.cost)),
    )


def _footer(findings: MultitaskFindings) -> str:
    return sections.footer(
        "All arms learn from the same demonstrations and play the same trials",
        confidence=findings.confidence,
        over="other seeds of training",
        alone="1 seed" if len(findings.seeds) == 1 else "",
    )


def _lead(findings: MultitaskFindings) -> str:
    kinds = {each.learned for each in findings.definitions.values()}
    how = " and ".join(kind for kind in ("together", "apart", "alone") if kind in kinds)
    return (
        f"{counted(len(findings.tasks), 'task')} learned {how}:"
        f" {counted(len(findings.arms), 'arm')}, each from"
        f" {counted(len(findings.seeds), 'seed')} of training, with"
        f" {', '.join(map(str, findings.demonstrations))} demonstrations and"
        f" {counted(findings.trials, 'trial')} of every task."
    )


def _answers(
    findings: MultitaskFindings, shown: ComparisonCharts
) -> Iterator[report.Text]:
    """Conclusions: the crossover of each arm, and the tasks in which it gains or loses."""
    for label, each in findings.crossover.items():
        yield report.Text(f" {each.sentence(_baseline(findings))}.", label)
    for label, some in findings.gains.items():
        if some:
            tasks = f"{counted(len(some), 'task')}: {shown.named(some)}"
            yield report.Text(f"{label} gains in {tasks}.", tone="small")
    for label, some in findings.losses.items():
        if some:
            tasks = f"{counted(len(some), 'task')}: {shown.named(some)}"
            text = f": {label} loses in {tasks}."
            yield report.Text(text, "Negative transfer", "warn")
    if findings.crossover and not any(findings.losses.values()):
        yield report.Text(
            "No negative transfer: no task is significantly worse after Holm's correction"
            " for all tasks and numbers of demonstrations.",
            tone="small",
        )


def _baseline(findings: MultitaskFindings) -> str:
    """Name of the baseline in sentences."""
    definition = findings.definitions[findings.baseline or ""]
    alone = definition.base == BASELINE and findings.baseline == BASELINE
    return "single-task training" if alone else str(findings.baseline)


def _side_by_side(
    findings: MultitaskFindings, shown: ComparisonCharts
) -> report.Section | None:
    """Section with a row for each arm, where there is no baseline; None with one."""
    if findings.baseline is not None:
        return None
    most = max(findings.demonstrations)
    cost = {label: findings.cost[label].get(most) for label in findings.arms}
    entries = {
        label: [
            rate(findings.arms[label][most]),
            Entry(f"{findings.definitions[label].parameters_total:,}"),
            Entry(seconds(took.seconds if took else None)),
            NONE
            if took is None or took.act is None
            else Entry(f"{1000 * took.act:.2g}"),
        ]
        for label, took in cost.items()
    }
    budget = next(iter(findings.definitions.values()))
    columns = ["success", "parameters", "training [s]", "act [ms]"]
    return sections.section(
        "arms",
        f"Arms at {counted(most, 'demonstration')} of each task",
        f"{counted(budget.steps, 'gradient step')} of a batch of {budget.batch} each; act:"
        " a prediction for one trial, on one core",
        report.Table(shown.table(columns, entries)),
        brief=True,
    )


def _differences(
    findings: MultitaskFindings, shown: ComparisonCharts
) -> report.Section | None:
    entries = {
        label: [*shown.differences(some), _crossing(findings, label)]
        for label, some in findings.differences.items()
    }
    note = (
        "Crossover: where the difference falls to 0, along the logarithm of the"
        " demonstrations."
    )
    by_task = {
        f"{label}, task by task": report.Table(_by_task(findings, shown, some))
        for label, some in findings.differences.items()
    }
    return sections.section(
        "differences",
        f"Difference from {findings.baseline}",
        "in percentage points, on the same trials",
        report.Table(shown.table([*shown.heads, "crossover"], entries)),
        report.Text(note, tone="soft"),
        *sections.folds(by_task),
        brief=True,
    )


def _suites(
    findings: MultitaskFindings, shown: ComparisonCharts
) -> Iterator[report.Section]:
    """Sections of the differences in each suite of a joint suite."""
    for number, (name, arms) in enumerate(findings.suites.items()):
        entries = {label: shown.differences(some) for label, some in arms.items()}
        if any(arms.values()):
            yield report.Section(
                id=f"suite-{number}",
                title=f"Difference from {findings.baseline} in {name}",
                parts=[report.Table(shown.table(shown.heads, entries))],
                brief=True,
            )


def _crossing(findings: MultitaskFindings, label: str) -> Entry:
    at = findings.crossover[label].changes_sign
    if at is None:
        return Entry(f"none up to {findings.crossover[label].most}")
    fewest = findings.demonstrations[0]
    return Entry(f"≤ {fewest}" if at <= fewest else f"{at:.3g}", "demonstrations")


def _by_task(
    findings: MultitaskFindings, shown: ComparisonCharts, some: Mapping[int, Difference]
) -> Matrix:
    rows = {
        task: [_change(some.get(n), task) for n in findings.demonstrations]
        for task in findings.tasks
    }
    return matrix_of("task", shown.heads, rows)


def _change(difference: Difference | None, task: str) -> Entry:
    if difference is None or task not in difference.tasks:
        return NONE
    each, warning = difference.tasks[task], "worse" if task in difference.worse else ""
    return Entry(points(each.value), change(each.interval), warning)


def _equal(
    findings: MultitaskFindings, shown: ComparisonCharts
) -> report.Section | None:
    entries = {
        label: [Entry(f"{getattr(each, field):,}") for field in _EQUAL.values()]
        for label, each in findings.definitions.items()
    }
    data = {
        f"{task}, first {count}": digest
        for count, tasks in findings.data.items()
        for task, digest in tasks.items()
    }
    read = report.Config(sections.config(data))
    return sections.section(
        "equal",
        "Equal budgets",
        "the same demonstrations and the same number of gradient samples of every task",
        report.Table(shown.table([*_EQUAL], entries)),
        report.Folded("sha256 of the demonstrations that every arm reads", [read]),
    )


def _facts(
    findings: MultitaskFindings,
    request: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> report.Section:
    requested = {**request, "tasks": findings.tasks}
    settings = sections.settings(requested, leave=("arms", "settings"))
    read = {"demonstrations": ", ".join(provenance["demonstrations"])}
    return sections.facts("Experiment", settings, sections.run_facts(read, provenance))


def _config(findings: MultitaskFindings) -> dict[str, Any]:
    names = ("base", "policy", "policy_config", "conditioning", "training")
    return {
        label: {name: getattr(each, name) for name in names}
        for label, each in findings.definitions.items()
    }
