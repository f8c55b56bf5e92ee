"""The report of a shift experiment: areas, differences and a figure for each shift."""

from collections.abc import Iterator, Mapping
from typing import Any

from robomtl.evaluation.formatting import change, counted, points
from robomtl.experiments import report, sections
from robomtl.experiments.comparison_charts import mean_of_tasks, point_of
from robomtl.experiments.entries import NONE, difference, estimate, rate
from robomtl.experiments.findings import Success
from robomtl.experiments.shift.shift_findings import EVERY, Axis, ShiftFindings
from robomtl.experiments.shift.shift_plan import NONE as UNSHIFTED
from robomtl.pages.lines import Chart, Line, Point, Style, style
from robomtl.pages.matrix import Line as Row
from robomtl.pages.matrix import Matrix, matrix_of


def shift_report(
    findings: ShiftFindings, *, provenance: Mapping[str, Any] | None = None
) -> report.Report:
    """The report of the findings.

    Args:
        findings: The findings.
        provenance: Provenance of the experiment, as in ``results.json``; None if unknown.
    """
    looks = {label: style(index) for index, label in enumerate(findings.success)}
    charts = [_chart(findings, name, looks) for name in findings.shifts]
    return report.Report(
        title=f"Shifts of {findings.suite}",
        lead=_lead(findings),
        sections=[
            sections.answers("answer", _answers(findings)),
            sections.section(
                "area",
                "Area under success against magnitude",
                "in per cent; 100 is success at every magnitude",
                report.Table(_areas(findings)),
                brief=True,
            ),
            _differences(findings),
            sections.section(
                "shifts",
                "Success against magnitude",
                f"mean over {counted(len(findings.tasks), 'task')}, in per cent",
                report.Panels([chart for chart in charts if chart]),
                *sections.folds(
                    {
                        f"{name}: {axis.line}": report.Table(
                            _table(findings, name, looks)
                        )
                        for name, axis in findings.shifts.items()
                    }
                ),
            ),
            _facts(findings, provenance) if provenance else None,
        ],
        footer=[_footer(findings)],
    )


def _lead(findings: ShiftFindings) -> str:
    conditions = 1 + sum(len(each.magnitudes) - 1 for each in findings.shifts.values())
    number = len(findings.success)
    return (
        f"{number} {'policy' if number == 1 else 'policies'} on"
        f" {counted(len(findings.tasks), 'task')}, each with"
        f" {counted(len(findings.seeds), 'seed')} of training;"
        f" {counted(len(findings.shifts), 'shift')} in {counted(conditions, 'condition')}, with"
        f" {counted(findings.trials, 'trial')} per task and condition."
    )


def _answers(findings: ShiftFindings) -> Iterator[report.Text]:
    for label, some in findings.differences.items():
        every, none = some.get(EVERY), some.get(UNSHIFTED)
        if every is None or none is None:
            continue
        yield report.Text(
            f" minus {findings.baseline}: {points(every.difference)} points"
            f" ({change(every.interval)}) of area over all shifts, and"
            f" {points(none.difference)} ({change(none.interval)}) without a shift.",
            label,
        )


def _heads(findings: ShiftFindings) -> dict[str, str]:
    return {
        EVERY: "all shifts",
        UNSHIFTED: "no shift",
        **{name: name.replace("_", " ") for name in findings.shifts},
    }


def _areas(findings: ShiftFindings) -> Matrix:
    """Areas with a row for each shift and a column for each policy."""
    rows = {
        head: [estimate(some.get(key)) for some in findings.area.values()]
        for key, head in _heads(findings).items()
    }
    return matrix_of("shift", [*findings.area], rows)


def _differences(findings: ShiftFindings) -> report.Section | None:
    if not findings.differences:
        return None
    rows = {
        head: [difference(some.get(key)) for some in findings.differences.values()]
        for key, head in _heads(findings).items()
    }
    matrix = matrix_of("shift", [*findings.differences], rows)
    return sections.section(
        "differences",
        f"Area minus that of {findings.baseline}",
        "in percentage points, on the same trials",
        report.Table(matrix),
        brief=True,
    )


def _table(findings: ShiftFindings, name: str, looks: Mapping[str, Style]) -> Matrix:
    axis = findings.shifts[name]
    lines = [
        Row(
            name=label,
            style=looks[label],
            entries=[
                NONE if each.task_mean is None else rate(each) for each in some[name]
            ],
        )
        for label, some in findings.success.items()
    ]
    columns = [_magnitude(axis, at) for at in axis.magnitudes]
    return Matrix(head="policy", columns=columns, lines=lines)


def _magnitude(axis: Axis, at: float) -> str:
    return f"×{at:g}" if axis.unit == "×" else f"{at:g} {axis.unit}"


def _chart(
    findings: ShiftFindings, name: str, looks: Mapping[str, Style]
) -> Chart | None:
    axis = findings.shifts[name]
    lines = [
        Line(name=label, style=looks[label], points=drawn)
        for label, some in findings.success.items()
        if (drawn := [*_points(label, axis, some[name])])
    ]
    title = f"{name.replace('_', ' ')} [{axis.unit}]"
    texts = "; ".join(point.text for line in lines for point in line.points)
    return (
        Chart(
            lines=lines,
            title=title,
            summary=f"Success by {title}: {texts}",
            scale="logarithmic" if axis.none else "linear",
        )
        if lines
        else None
    )


def _points(label: str, axis: Axis, every: tuple[Success, ...]) -> Iterator[Point]:
    for at, success in zip(axis.magnitudes, every, strict=True):
        if mean := mean_of_tasks(success):
            x = int(at) if at == int(at) else at
            yield point_of(x, f"{label}, {_magnitude(axis, at)}", mean)


def _facts(findings: ShiftFindings, provenance: Mapping[str, Any]) -> report.Section:
    requested = {
        "tasks": findings.tasks,
        "trials": findings.trials,
        **{
            name: ", ".join(_magnitude(axis, at) for at in axis.magnitudes)
            for name, axis in findings.shifts.items()
        },
    }
    run = sections.run_facts({"runs": ", ".join(provenance["runs"])}, provenance)
    return sections.facts("Experiment", sections.settings(requested), run)


def _footer(findings: ShiftFindings) -> str:
    return (
        "A trial succeeds if the unshifted criterion of the task is met at any step. All"
        " policies play the same variations under every magnitude, with the same"
        " directions and noise. The area is the integral of the success, interpolated"
        " linearly between the magnitudes shown, divided by their range; for factors, on a"
        " log scale. All shifts: the mean of their areas. Differences are paired by trial;"
        f" intervals have {100 * findings.confidence:.4g}% confidence, for fixed tasks with"
        " equal weights."
    )
