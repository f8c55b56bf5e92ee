"""The report of a comparison over seeds of training."""

from collections.abc import Iterator

from robomtl.evaluation.formatting import change, counted, percent, points, span
from robomtl.experiments import report, sections
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.compare.compare_findings import SeedComparison
from robomtl.experiments.compare.compare_report import warnings_of
from robomtl.pages.axis_range import reach_of

_DIFFERENCES = (report.Column("rate", "A − B"), report.Column("range", "interval"))
_RATES = (report.Column("rate", "success"), report.Column("range", "interval"))
_FOOTER = (
    "IQM: the mean of all seeds' task rates without the lowest and the highest"
    " quarter. P(A improves on B): the probability that a seed of A beats one of B in a"
    " task, ties counting half. Intervals treat a seed as one draw for all tasks, and"
    " trials as shared by seeds; they hold for these tasks, and are wide for few seeds:"
    " the t quantile of 2 seeds is 12.7, that of 10 is 2.3. The definitions are"
    " rliable's."
)


def seeds_report(comparison: SeedComparison) -> report.Report:
    """Report of a comparison over seeds: aggregates of success over seeds and tasks."""
    a, b = (", ".join(dict.fromkeys(names)) for names in (comparison.a, comparison.b))
    difference = comparison.difference
    texts = [points(difference.value), change(difference.interval)]
    row = report.Bar("IQM", difference.value, difference.interval, texts)
    reach = reach_of([difference.interval])
    return report.Report(
        title=f"{a} and {b} on {comparison.suite}",
        lead=f"{comparison.suite} · {len(comparison.a)} and {len(comparison.b)} seeds of training,"
        f" {counted(len(comparison.tasks), 'task')}; {comparison.confidence:.0%} intervals over"
        " seeds and trials; rliable's definitions.",
        sides=(a, b),
        sections=[
            _seed_figures(comparison),
            sections.warnings(_seed_warnings(comparison)),
            sections.section(
                "aggregates",
                "Success",
                "over seeds and tasks",
                report.Bars("", _RATES, _aggregates(comparison)),
                brief=True,
            ),
            sections.section(
                "differences",
                "Difference",
                "A minus B in percentage points",
                report.Bars("", _DIFFERENCES, [row], reach=reach),
                brief=True,
            ),
        ],
        footer=[_FOOTER],
    )


def _seed_figures(comparison: SeedComparison) -> report.Section:
    mean, difference = "Difference of the IQM, A minus B", comparison.difference
    errors = counted(comparison.errors, "error")
    return sections.figures(
        sections.lead(
            mean, difference.value, difference.interval, comparison.confidence
        ),
        report.Figure(
            "A improves on B with probability",
            percent(comparison.improvement.value),
            f"interval {span(comparison.improvement.interval)}",
            "second",
        ),
        report.Figure("IQM of A", percent(comparison.iqm_a.value)),
        report.Figure("IQM of B", percent(comparison.iqm_b.value)),
        report.Figure(
            "Seeds",
            f"{len(comparison.a)} : {len(comparison.b)}",
            errors,
            "warn" if comparison.errors else "",
        ),
    )


def _aggregates(comparison: SeedComparison) -> list[report.Bar]:
    return [
        _rate("IQM of A", comparison.iqm_a, False),
        _rate("IQM of B", comparison.iqm_b, True),
        _rate("Mean of A", comparison.mean_a, False),
        _rate("Mean of B", comparison.mean_b, True),
        _rate("P(A improves on B)", comparison.improvement, False),
    ]


def _rate(name: str, estimate: Estimate, second: bool) -> report.Bar:
    texts = [percent(estimate.value), span(estimate.interval)]
    return report.Bar(name, estimate.value, estimate.interval, texts, second=second)


def _seed_warnings(comparison: SeedComparison) -> Iterator[str]:
    if comparison.errors:
        yield f"Trials that ended in an error, excluded from all rates: {comparison.errors}."
    yield from warnings_of(comparison)
