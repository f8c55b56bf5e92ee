"""The report of a shift experiment: areas, differences and a figure for each shift."""

from collections.abc import Iterator, Mapping
from typing import Any

from robomtl.evaluation.figures import change, counted, points
from robomtl.experiments import report, sections
from robomtl.experiments.compared import mean_of_tasks, point_of
from robomtl.experiments.entries import NONE, difference, estimate, rate
from robomtl.experiments.findings import Success
from robomtl.experiments.shift.shift_findings import EVERY, Axis, ShiftFindings
from robomtl.experiments.shift.shift_plan import NONE as UNSHIFTED
from robomtl.pages.lines import Chart, Line, Point, Style, style
from robomtl.pages.matrix import Line as Row
from robomtl.pages.matrix import Matrix, matrix_of


def shift_report(
    found: ShiftFindings, *, made: Mapping[str, Any] | None = None
) -> report.Report:
    """The report of the findings.

    Args:
        found: The findings.
        made: Provenance of the experiment, as in ``results.json``; None if unknown.
    """
    looks = {label: style(index) for index, label in enumerate(found.success)}
    charts = [_chart(found, name, looks) for name in found.shifts]
    return report.Report(
        title=f"Shifts of {found.suite}",
        lead=_lead(found),
        sections=[
            sections.answers("answer", _answers(found)),
            sections.section(
                "area",
                "Area under success against magnitude",
                "in per cent; 100 is success at every magnitude",
                report.Table(_areas(found)),
                brief=True,
            ),
            _differences(found),
            sections.section(
                "shifts",
                "Success against magnitude",
                f"mean over {counted(len(found.tasks), 'task')}, in per cent",
                report.Panels([chart for chart in charts if chart]),
                *sections.folds(
                    {
                        f"{name}: {axis.line}": report.Table(_table(found, name, looks))
                        for name, axis in found.shifts.items()
                    }
                ),
            ),
            _facts(found, made) if made else None,
        ],
        footer=[_footer(found)],
    )


def _lead(found: ShiftFindings) -> str:
    conditions = 1 + sum(len(each.magnitudes) - 1 for each in found.shifts.values())
    number = len(found.success)
    return (
        f"{number} {'policy' if number == 1 else 'policies'} on"
        f" {counted(len(found.tasks), 'task')}, each with"
        f" {counted(len(found.seeds), 'seed')} of training;"
        f" {counted(len(found.shifts), 'shift')} in {counted(conditions, 'condition')}, with"
        f" {counted(found.trials, 'trial')} per task and condition."
    )


def _answers(found: ShiftFindings) -> Iterator[report.Text]:
    for label, some in found.differences.items():
        every, none = some.get(EVERY), some.get(UNSHIFTED)
        if every is None or none is None:
            continue
        yield report.Text(
            f" minus {found.baseline}: {points(every.difference)} points"
            f" ({change(every.interval)}) of area over all shifts, and"
            f" {points(none.difference)} ({change(none.interval)}) without a shift.",
            label,
        )


def _heads(found: ShiftFindings) -> dict[str, str]:
    return {
        EVERY: "all shifts",
        UNSHIFTED: "no shift",
        **{name: name.replace("_", " ") for name in found.shifts},
    }


def _areas(found: ShiftFindings) -> Matrix:
    """Areas with a row for each shift and a column for each policy."""
    rows = {
        head: [estimate(some.get(key)) for some in found.area.values()]
        for key, head in _heads(found).items()
    }
    return matrix_of("shift", [*found.area], rows)


def _differences(found: ShiftFindings) -> report.Section | None:
    if not found.differences:
        return None
    rows = {
        head: [difference(some.get(key)) for some in found.differences.values()]
        for key, head in _heads(found).items()
    }
    matrix = matrix_of("shift", [*found.differences], rows)
    return sections.section(
        "differences",
        f"Area minus that of {found.baseline}",
        "in percentage points, on the same trials",
        report.Table(matrix),
        brief=True,
    )


def _table(found: ShiftFindings, name: str, looks: Mapping[str, Style]) -> Matrix:
    axis = found.shifts[name]
    lines = [
        Row(
            name=label,
            style=looks[label],
            entries=[
                NONE if each.task_mean is None else rate(each) for each in some[name]
            ],
        )
        for label, some in found.success.items()
    ]
    columns = [_magnitude(axis, at) for at in axis.magnitudes]
    return Matrix(head="policy", columns=columns, lines=lines)


def _magnitude(axis: Axis, at: float) -> str:
    return f"×{at:g}" if axis.unit == "×" else f"{at:g} {axis.unit}"


def _chart(found: ShiftFindings, name: str, looks: Mapping[str, Style]) -> Chart | None:
    axis = found.shifts[name]
    lines = [
        Line(name=label, style=looks[label], points=drawn)
        for label, some in found.success.items()
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


def _facts(found: ShiftFindings, made: Mapping[str, Any]) -> report.Section:
    requested = {
        "tasks": found.tasks,
        "trials": found.trials,
        **{
            name: ", ".join(_magnitude(axis, at) for at in axis.magnitudes)
            for name, axis in found.shifts.items()
        },
    }
    run = sections.run_facts({"runs": ", ".join(made["runs"])}, made)
    return sections.facts("Experiment", sections.settings(requested), run)


def _footer(found: ShiftFindings) -> str:
    return (
        "A trial succeeds if the unshifted criterion of the task is met at any step. All"
        " policies play the same variations under every magnitude, with the same"
        " directions and noise. The area is the integral of the success, interpolated"
        " linearly between the magnitudes shown, divided by their range; for factors, on a"
        " log scale. All shifts: the mean of their areas. Differences are paired by trial;"
        f" intervals have {100 * found.confidence:.4g}% confidence, for fixed tasks with"
        " equal weights."
    )
