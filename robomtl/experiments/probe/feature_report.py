"""The report of a probe of features."""

from collections.abc import Mapping, Sequence
from typing import Any

from robomtl.evaluation.formatting import counted
from robomtl.experiments import entries, report, sections
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.probe.feature_findings import FeatureFindings, Probed
from robomtl.pages.matrix import Entry, Matrix, matrix_of

_FOOTER = (
    "R² is that of ridge regression from the features to the positions within a task, on"
    " held-out episodes, averaged over the tasks in which the body moves: 1 is exact, 0 is"
    " no better than the mean of the fitted frames. Random features are those of the same"
    " network at initialisation. Retrieval is the fraction of instructions whose best"
    " match, among one held-out episode of each task, is the episode of their task."
    " Intervals are 95% bootstrap intervals over seeds and over episodes or wordings."
)


def feature_report(
    findings: FeatureFindings, *, provenance: Mapping[str, Any] | None = None
) -> report.Report:
    """The report of the findings.

    Args:
        findings: The findings.
        provenance: Provenance of the measurement, as in ``results.json``; None if unknown.
    """
    objectives = dict.fromkeys(each.objective for each in findings.probed)
    return report.Report(
        title="Features",
        lead=f"{findings.suite} · {counted(len(objectives), 'objective')}",
        sections=[
            sections.section(
                "probe",
                "Linear probe",
                "R² of positions, with 95% intervals",
                report.Table(_positions(findings)),
                brief=True,
            ),
            sections.section(
                "retrieval",
                "Retrieval",
                "instructions whose best match is an episode of their task",
                report.Table(_retrieval(findings)),
                brief=True,
            ),
            sections.section(
                "tasks",
                "Tasks",
                "R² of trained features, mean over seeds",
                *sections.folds(
                    {k: report.Table(v) for k, v in _tasks(findings).items()}
                ),
            ),
            sections.reasons_section(
                {name: {why: 1} for name, why in findings.reasons.items()},
                "policy",
                "without features",
            ),
            _facts(provenance) if provenance else None,
        ],
        footer=[_FOOTER],
    )


def _facts(provenance: Mapping[str, Any]) -> report.Section:
    request = sections.settings({"data": provenance["data"], **provenance["config"]})
    return sections.facts("Probe", request, sections.run_facts({}, provenance))


def _positions(findings: FeatureFindings) -> Matrix:
    rows = {
        f"{each.objective}: {each.thing}, {each.layer}": [
            _r_squared(each.trained),
            _r_squared(each.random),
            _r_squared(each.difference, sign="+"),
            Entry(f"{each.tasks}"),
            Entry(f"{each.runs}"),
        ]
        for each in findings.probed
    }
    columns = ["trained", "random", "difference", "tasks", "seeds"]
    return matrix_of("objective: thing, layer", columns, rows)


def _retrieval(findings: FeatureFindings) -> Matrix:
    rows = {
        f"{each.objective}: {each.wordings} wordings": [
            entries.estimate(each.trained),
            entries.estimate(each.random),
            Entry(f"{each.chance:.1%}"),
            Entry(f"{each.queries}"),
        ]
        for each in findings.retrieved
    }
    columns = ["trained", "random", "chance", "queries"]
    return matrix_of("objective: wordings", columns, rows)


def _tasks(findings: FeatureFindings) -> dict[str, Matrix]:
    """Tables by objective and layer, with a row per task and a column per body."""
    groups: dict[str, list[Probed]] = {}
    for each in findings.probed:
        groups.setdefault(f"{each.objective}, {each.layer}", []).append(each)
    return {name: _by_task(some) for name, some in groups.items()}


def _by_task(probed: Sequence[Probed]) -> Matrix:
    rows = {
        task: [
            Entry(f"{each.by_task[task]:.2f}") if task in each.by_task else entries.NONE
            for each in probed
        ]
        for task in dict.fromkeys(task for each in probed for task in each.by_task)
    }
    return matrix_of("task", [each.thing for each in probed], rows)


def _r_squared(estimate: Estimate, sign: str = "") -> Entry:
    low, high = estimate.interval
    return Entry(f"{estimate.value:{sign}.2f}", f"{low:{sign}.2f} to {high:{sign}.2f}")
