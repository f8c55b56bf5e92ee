"""The report of an experiment in rounds of rollouts."""

from collections.abc import Iterator, Mapping
from typing import Any

from robomtl.evaluation.formatting import counted, points
from robomtl.experiments import report, sections
from robomtl.experiments.beyond.beyond_design import ARMS, EXPERT
from robomtl.experiments.beyond.beyond_findings import ImprovementFindings
from robomtl.experiments.comparison_charts import ComparisonCharts
from robomtl.experiments.entries import NONE, rate
from robomtl.files.request import plain
from robomtl.pages.matrix import Entry, Matrix, matrix_of


def beyond_report(
    findings: ImprovementFindings, *, provenance: Mapping[str, Any] | None = None
) -> report.Report:
    """The report of the findings.

    Args:
        findings: The findings.
        provenance: Provenance of the experiment, as in ``results.json``; None if unknown.
    """
    shown = ComparisonCharts(
        head="arm",
        letter="round",
        names={label: label for label in findings.success},
        baseline=EXPERT,
        counts=tuple(range(1, findings.design.rounds + 1)),
        success=findings.success,
        tasks=findings.tasks,
    )
    return report.Report(
        title=f"Beyond the demonstrator on {findings.suite}",
        lead=_lead(findings),
        sections=[
            sections.answers("answer", _answers(findings)),
            *_compared(findings, shown),
            sections.section(
                "tasks",
                "Tasks",
                "success after the last round, in per cent",
                report.Table(_tasks(findings)),
            ),
            sections.section(
                "goals",
                "Goals on which an arm and the expert differ",
                "variations after the last round; + solved by the arm (all seeds) and not by"
                " the expert, - solved by the expert and by no seed",
                report.Table(_goals(findings)),
            ),
            sections.reasons_section(findings.reasons, "training", "diverged"),
            _facts(findings, provenance) if provenance else None,
        ],
        footer=[
            sections.footer(
                "The expert, the first policy and the policies of all rounds play the same"
                " trials",
                confidence=findings.confidence,
                over="other seeds of training",
            )
        ],
    )


def _compared(
    findings: ImprovementFindings, shown: ComparisonCharts
) -> Iterator[report.Section | None]:
    """Sections with success by round and the differences to the expert."""
    arms = {arm: findings.success[arm] for arm in findings.design.arms}
    against = {
        arm: shown.differences(findings.against_expert[arm])
        for arm in findings.design.arms
    }
    yield sections.section(
        "success",
        "Success by round",
        shown.mean,
        report.Curve(shown.chart(arms, "round", ticks=shown.counts)),
        report.Table(shown.success_table({})),
        brief=True,
    )
    yield sections.section(
        "differences",
        "Difference to the expert",
        "in percentage points, on the same trials",
        report.Table(shown.table(shown.heads, against)),
        brief=True,
    )


def _lead(findings: ImprovementFindings) -> str:
    design = findings.design
    return (
        f"{counted(len(findings.tasks), 'task')} with {design.demonstrations} demonstrations"
        f" each; {counted(design.rounds, 'round')} that add {design.episodes} episodes per"
        f" task; {counted(design.seeds, 'seed')} of training;"
        f" {counted(design.trials, 'trial')} per task."
    )


def _answers(findings: ImprovementFindings) -> Iterator[report.Text]:
    """A sentence per arm: whether it exceeds the expert, and on how many goals."""
    for arm in findings.design.arms:
        last = findings.against_expert[arm].get(findings.design.rounds)
        if last is None:
            continue
        low, high = last.interval
        verdict = "exceeds" if low > 0 else "falls short of" if high < 0 else "equals"
        gained, lost = (
            sum(len(getattr(each, kind)) for each in findings.goals[arm].values())
            for kind in ("gained", "lost")
        )
        doubt = "" if low > 0 or high < 0 else ", as far as these trials show"
        yield report.Text(
            f" ({ARMS[arm]}) {verdict} the expert by {points(last.difference)} points"
            f" ({points(low)} to {points(high)}){doubt}: {counted(gained, 'goal')} solved"
            f" only by the arm, {counted(lost, 'goal')} only by the expert.",
            arm,
        )


def _tasks(findings: ImprovementFindings) -> Matrix:
    last = {
        label: rounds[max(rounds)]
        for label, rounds in findings.success.items()
        if rounds
    }
    rows = {
        task: [rate(each, task) for each in last.values()] for task in findings.tasks
    }
    return matrix_of("task", [*last], rows)


def _goals(findings: ImprovementFindings) -> Matrix:
    """Gained and lost variations by task and arm; tasks without any are left out."""
    rows = {
        task: [_variations(findings, arm, task) for arm in findings.design.arms]
        for task in findings.tasks
        if any(task in some for some in findings.goals.values())
    }
    return matrix_of("task", [*findings.design.arms], rows)


def _variations(findings: ImprovementFindings, arm: str, task: str) -> Entry:
    goals = findings.goals[arm].get(task)
    if goals is None:
        return NONE
    named = [f"+{it}" for it in goals.gained] + [f"-{it}" for it in goals.lost]
    return Entry(f"+{len(goals.gained)} -{len(goals.lost)}", " ".join(named))


def _facts(
    findings: ImprovementFindings, provenance: Mapping[str, Any]
) -> report.Section:
    settings = sections.settings({**plain(findings.design), "tasks": findings.tasks})
    read = {"demonstrations": provenance["demonstrations"]}
    return sections.facts("Experiment", settings, sections.run_facts(read, provenance))
