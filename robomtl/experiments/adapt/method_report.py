"""The report of a comparison of adaptation methods."""

from collections.abc import Iterator, Mapping
from typing import Any

from robomtl.evaluation.formatting import counted
from robomtl.experiments import report, sections
from robomtl.experiments.adapt.method_bars import controls_section, forgetting_section
from robomtl.experiments.adapt.method_design import BASELINE
from robomtl.experiments.adapt.method_findings import (
    THRESHOLDS,
    AdaptationFindings,
    Efficiency,
    MethodFindings,
)
from robomtl.experiments.comparison_charts import ComparisonCharts
from robomtl.experiments.entries import NONE, rate
from robomtl.experiments.findings import Success, counts_by_task
from robomtl.pages.matrix import Entry

_WORSE = (
    "“Worse in”: tasks with significantly lower success, after Holm's correction for all"
    " tasks and numbers of demonstrations."
)
_NONE_WORSE = (
    "No method is significantly worse than scratch in any task, after Holm's"
    " correction."
)
_RATIO = (
    " Ratio: demonstrations that scratch needs for this success rate, divided by those"
    " that the method needs; ≥ or ≤ where the smallest number tried suffices."
)
_BENCHMARKS = {
    "transfer": "tasks never seen in training, with visible goals",
    "infer": "hidden goals that only the demonstrations show",
}


def methods_report(
    findings: AdaptationFindings,
    *,
    request: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> report.Report:
    """The report of the findings.

    Args:
        findings: The findings.
        request: The request, as plain data.
        provenance: Provenance of the comparison, as in ``results.json``; None if unknown.
    """
    shown = _compared(findings)
    return report.Report(
        title=f"Few-shot adaptation on {findings.suite}",
        lead=_lead(findings),
        sections=[
            sections.answers("ranking", _ranking(findings, shown)),
            _success(findings, shown),
            _differences(findings, shown),
            _steps(findings, shown),
            _tasks(findings, shown),
            controls_section(findings, shown.styles),
            forgetting_section(findings, shown.styles),
            _cost(findings, shown),
            sections.reasons_section(
                {k: each.reasons for k, each in findings.methods.items()},
                "adaptation",
                "given up",
            ),
            _facts(findings, request or {}, provenance) if provenance else None,
            sections.folded(
                "config", "Methods and their hyper-parameters", _config(findings)
            ),
        ],
        footer=[_footer(findings), sections.NAUC],
    )


def _compared(findings: AdaptationFindings) -> ComparisonCharts:
    scratch = [k for k, each in findings.methods.items() if each.method == BASELINE]
    return ComparisonCharts(
        head="method",
        letter="K",
        names={label: each.method for label, each in findings.methods.items()},
        baseline=scratch[0] if scratch else None,
        counts=findings.shots,
        success={label: each.shots for label, each in findings.methods.items()},
        tasks=findings.tasks,
    )


def _cost(
    findings: AdaptationFindings, shown: ComparisonCharts
) -> report.Section | None:
    costs = {label: each.cost for label, each in findings.methods.items()}
    return sections.section(
        "cost",
        "Cost of an adaptation",
        "medians over seeds, draws and problems; without the preceding training",
        report.Table(shown.cost_table(costs)),
    )


def _footer(findings: AdaptationFindings) -> str:
    return sections.footer(
        "All methods get the same demonstrations and play the same trials",
        confidence=findings.confidence,
        over="other seeds of training, draws of the demonstrations, goals",
        alone="1 seed" if len(findings.seeds) == 1 else "",
    )


def _lead(findings: AdaptationFindings) -> str:
    return (
        f"Benchmark {findings.benchmark}: {_BENCHMARKS[findings.benchmark]}."
        f" {counted(len(findings.methods), 'method')} on"
        f" {counted(len(findings.tasks), 'task')}, each with"
        f" {counted(len(findings.seeds), 'seed')} of training,"
        f" {counted(findings.supports, 'draw')} of the demonstrations and"
        f" {counted(findings.trials, 'trial')} per task."
    )


def _ranking(
    findings: AdaptationFindings, shown: ComparisonCharts
) -> Iterator[report.Text]:
    yield report.Text(findings.ranking.sentence, tone="strong")
    worse = {
        label: counts_by_task({k: d.worse for k, d in each.against_scratch.items()})
        for label, each in findings.methods.items()
    }
    negative = [f"{k} in {shown.named(tasks)}" for k, tasks in worse.items() if tasks]
    if negative:
        text = f", worse than scratch: {'; '.join(negative)}."
        yield report.Text(text, "Negative transfer", "warn", id="worse")


def _success(
    findings: AdaptationFindings, shown: ComparisonCharts
) -> report.Section | None:
    level = (
        "; methods without demonstrations are drawn at 0, with a line at their level"
        if any(0 in each.shots for each in findings.methods.values())
        else ""
    )
    areas = {label: each.area for label, each in findings.methods.items()}
    across = f"demonstrations of the new task, on a log scale{level}"
    return shown.success_section(areas, across)


def _differences(
    findings: AdaptationFindings, shown: ComparisonCharts
) -> report.Section | None:
    methods = {k: each for k, each in findings.methods.items() if each.against_scratch}
    ratios = any(method.efficiency for method in methods.values())
    heads = [f"ratio at {wanted:.0%}" for wanted in THRESHOLDS] if ratios else []
    entries = {
        label: [
            *shown.differences(method.against_scratch),
            *(
                [_ratio(each, findings.shots[0]) for each in method.efficiency]
                or [NONE] * len(heads)
            ),
        ]
        for label, method in methods.items()
    }
    worse = any(
        d.worse for each in methods.values() for d in each.against_scratch.values()
    )
    note = (_WORSE if worse else _NONE_WORSE) + (_RATIO if heads else "")
    return sections.section(
        "differences",
        "Difference to scratch",
        "in percentage points, on the same trials",
        report.Table(shown.table([*shown.heads, *heads], entries)),
        report.Text(note, tone="soft"),
        brief=True,
    )


def _ratio(efficiency: Efficiency, fewest: int) -> Entry:
    """Ratio of demonstrations, scratch to method; a bound if the fewest tried suffice."""
    if efficiency.method is None:
        text = (
            "neither reaches it" if efficiency.scratch is None else "does not reach it"
        )
        return Entry("–", text)
    ours = f"{efficiency.method:.3g}"
    if efficiency.scratch is None or efficiency.ratio is None:
        return Entry("–", f"{ours}; scratch does not reach it")
    note = f"{efficiency.scratch:.3g} : {ours}"
    if efficiency.method == efficiency.scratch == fewest:
        return Entry("–", f"{fewest} suffices for both")
    bound = {efficiency.method: "≥ ", efficiency.scratch: "≤ "}.get(fewest, "")
    return Entry(f"{bound}{efficiency.ratio:.2g}×", note)


def _steps(
    findings: AdaptationFindings, shown: ComparisonCharts
) -> report.Section | None:
    drawn = {k: _by_steps(findings, m) for k, m in findings.methods.items() if m.steps}
    tried = sorted({number for k in drawn for number in findings.methods[k].steps})
    entries = {}
    for label, curve in drawn.items():
        own = [
            number for number in curve if number not in findings.methods[label].steps
        ]
        entries[label] = [
            *(rate(curve[n]) if n in curve else NONE for n in tried),
            _own(rate(curve[own[0]]), own[0]) if own else NONE,
        ]
    note = (
        "Horizontal axis: gradient steps, on a log scale, including each method's own"
        " number of steps."
    )
    heads = [f"{number:,}" for number in tried]
    return sections.section(
        "steps",
        "Success by gradient steps",
        f"from {counted(findings.probe, 'demonstration')}, {shown.mean}",
        report.Curve(shown.chart(drawn, "gradient step"), note),
        report.Table(shown.table([*heads, "own setting"], entries)),
    )


def _by_steps(
    findings: AdaptationFindings, method: MethodFindings
) -> dict[int, Success]:
    """Success by gradient steps at the probed shots, including the method's own number."""
    own = method.cost.get(findings.probe)
    usual = {int(own.steps): method.shots[findings.probe]} if own and own.steps else {}
    return dict(sorted({**usual, **method.steps}.items()))


def _own(entry: Entry, number: int) -> Entry:
    return entry._replace(note=f"{entry.note}, {counted(number, 'step')}")


def _tasks(
    findings: AdaptationFindings, shown: ComparisonCharts
) -> report.Section | None:
    tables = [report.Table(shown.task_table(k), title=k) for k in findings.tasks]
    return (
        sections.section(
            "tasks",
            "Tasks",
            "success by demonstrations, in per cent",
            report.Panels(shown.panels()),
            report.Folded("Success rates as tables", tables),
        )
        if len(findings.tasks) > 1
        else None
    )


def _facts(
    findings: AdaptationFindings,
    request: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> report.Section:
    settled = {
        "seeds": findings.seeds,
        "tasks": findings.tasks,
        "probe": findings.probe,
    }
    requested = {**request, **settled}
    settings = sections.settings(requested, leave=("methods", "settings"))
    read = {name: provenance[name] for name in ("run", "support", "prior")}
    return sections.facts("Comparison", settings, sections.run_facts(read, provenance))


def _config(findings: AdaptationFindings) -> dict[str, Any]:
    return {
        label: {"method": each.method, "objective": each.objective, **each.config}
        for label, each in findings.methods.items()
    }
