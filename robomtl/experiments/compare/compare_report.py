"""The reports of paired and of sequential comparisons of two agents."""

import math
from collections.abc import Iterator, Sequence
from functools import partial

from markupsafe import Markup

from robomtl.evaluation.formatting import change, counted, p_value, percent, points
from robomtl.experiments import report, sections
from robomtl.experiments.compare.compare_findings import (
    Comparison,
    SeedComparison,
    TaskDifference,
)
from robomtl.experiments.compare.pair_grid import pair_grid
from robomtl.experiments.compare.pairing import Pair
from robomtl.experiments.compare.verdict import Verdict
from robomtl.pages.axis_range import reach_of

_PAIRED = (
    report.Column("rate", "A − B"),
    report.Column("range", "interval"),
    report.Column("sides", "A : B"),
    report.Column("alone", "alone"),
    report.Column("p", "p"),
    report.Column("holm", "Holm"),
)
_PAIRED_NOTE = (
    "Full bars: the interval excludes zero. “Alone”: trials that only A solved,"
    " and only B. p: McNemar's exact test of that task; Holm: the same p,"
    " corrected for the number of tasks."
)
_PAIRED_FOOTER = (
    "A trial is solved if the protocol of its evaluation counts it as solved. Pairs"
    " are trials with the same task, variation and repeat that both finished without"
    " an error. Intervals of single tasks are Agresti and Min's; that of the mean"
    " treats tasks as strata. They hold for these two agents on these tasks, not for"
    " other seeds of training."
)


def paired_report(comparison: Comparison, pairs: Sequence[Pair] = ()) -> report.Report:
    """Report of a paired comparison: differences in the mean and by task, and trials.

    Args:
        comparison: Findings of the comparison.
        pairs: Trials that both played, including those that ended in an error.
    """
    rows = _paired_rows(comparison)
    reach = reach_of([row.interval for row in rows if row.interval])
    return report.Report(
        title=f"{comparison.a} and {comparison.b} on {comparison.suite}",
        lead=f"{comparison.suite} · {_trials(comparison)}",
        sides=(comparison.a, comparison.b),
        sections=[
            _paired_figures(comparison),
            sections.warnings(warnings_of(comparison)),
            sections.answers("conclusion", _conclusion(comparison)),
            sections.section(
                "differences",
                "Differences",
                "A minus B in percentage points, the largest first",
                report.Bars("task", _PAIRED, rows, reach=reach, forest=True),
                report.Text(_PAIRED_NOTE, tone="soft"),
                brief=True,
            ),
            _outcomes(pairs, [row.name for row in rows[1:]], "one cell per trial"),
        ],
        footer=[_PAIRED_FOOTER],
    )


def _paired_rows(comparison: Comparison) -> list[report.Bar]:
    """Bars of the mean difference, then of each task's, the largest first."""
    texts = _texts(comparison, (comparison.success_a, comparison.success_b))
    mean = report.Bar("task mean", comparison.difference, comparison.interval, texts)
    alpha = round(1 - comparison.confidence, 12)
    tasks = sorted(comparison.tasks.items(), key=lambda item: -item[1].difference)
    return [mean, *(_task_row(name, each, alpha) for name, each in tasks)]


def _task_row(name: str, found: TaskDifference, alpha: float) -> report.Bar:
    sides = found.tally.success_a, found.tally.success_b
    return report.Bar(
        name,
        found.difference,
        found.interval,
        _texts(found, sides, p_value(found.holm)),
        badge="Holm" if found.holm < alpha else "",
        mark=True,
    )


def _texts(
    compared: Comparison | TaskDifference, sides: tuple[float, float], holm: str = ""
) -> list[str]:
    """Texts of the columns in ``_PAIRED``."""
    a, b = sides
    return [
        points(compared.difference),
        change(compared.interval),
        f"{100 * a:.1f} : {100 * b:.1f}",
        f"{compared.tally.a_alone} : {compared.tally.b_alone}",
        p_value(compared.p_value),
        holm,
    ]


def _paired_figures(comparison: Comparison) -> report.Section:
    tally, mean = comparison.tally, "Difference of the task means, A minus B"
    return sections.figures(
        sections.lead(
            mean, comparison.difference, comparison.interval, comparison.confidence
        ),
        report.Figure(
            "McNemar's exact test",
            f"p = {p_value(comparison.p_value)}",
            f"{tally.a_alone} trials solved by A alone, {tally.b_alone} by B alone",
            "second",
        ),
        report.Figure("A", percent(comparison.success_a)),
        report.Figure("B", percent(comparison.success_b)),
        sections.counts("Pairs", tally.pairs, comparison.errors),
    )


def _trials(comparison: Comparison) -> str:
    """Sentences on the trials that are compared and on those that are excluded."""
    return (
        f"{counted(comparison.tally.pairs, 'trial')} that both played. Excluded: {comparison.errors}"
        f" with an error, {comparison.only_a} that only A played, {comparison.only_b} that only B"
        " played."
    )


def _conclusion(comparison: Comparison) -> Iterator[report.Text]:
    yield report.Text(_settled(comparison), tone="strong")
    yield report.Text(
        f"A is worse in {counted(len(comparison.worse), 'task')} and better in"
        f" {len(comparison.better)}, by McNemar's test with Holm's correction for"
        f" {counted(len(comparison.tasks), 'task')}.",
        tone="small",
    )
    if comparison.worse:
        names = f", if B learned the tasks one by one: {', '.join(comparison.worse)}."
        yield report.Text(names, "Negative transfer", "warn", id="worse")


def _settled(comparison: Comparison) -> str:
    """Sentence on whether A and B differ, and on the trials that would settle it."""
    level = f"{1 - comparison.confidence:.2g}"
    if comparison.more_to_settle == 0:
        return f"They differ, at a level of {level}."
    if comparison.more_to_settle is None:
        return "No difference was observed that more trials could settle."
    return (
        f"Not settled at a level of {level}. If the observed rates persist,"
        f" {comparison.more_to_settle:,} more trials of each would settle it with 80% power."
    )


def verdict_report(verdict: Verdict, pairs: Sequence[Pair] = ()) -> report.Report:
    """Report of a sequential comparison: the verdict, and the evidence after each pair.

    Args:
        verdict: Verdict of the comparison.
        pairs: Trials that both played, including those that ended in an error.
    """
    first, *others = _verdict_sentences(verdict)
    conclusion = [report.Text(first, tone="strong"), report.Text(" ".join(others))]
    level, rounds = f"{1 / verdict.alpha:.3g}", counted(verdict.rounds, "round")
    tasks = list(dict.fromkeys(pair.a.task for pair in pairs))
    return report.Report(
        title=f"{verdict.a} and {verdict.b} on {verdict.suite}",
        lead=f"{verdict.suite} · sequential comparison, {rounds}",
        sides=(verdict.a, verdict.b),
        sections=[
            _verdict_figures(verdict, level),
            sections.answers("conclusion", conclusion),
            sections.section(
                "evidence",
                "Evidence",
                f"E after each pair, by the test of {verdict.test}, on a logarithmic scale",
                report.Picture("plot tall", partial(_evidence, verdict)),
                report.Text("Horizontal axis: pairs.", tone="soft"),
            ),
            _outcomes(pairs, tasks, "one cell per trial played"),
        ],
        footer=[
            "E may be inspected after every pair: for equal agents it reaches"
            f" {level} in at most {100 * verdict.alpha:.4g}% of cases, however often it is"
            " inspected. A trial is solved if the protocol counts it as solved."
        ],
    )


def _verdict_figures(verdict: Verdict, level: str) -> report.Section:
    tally, better = (
        verdict.tally,
        {"a": "A", "b": "B", None: "not settled"}[verdict.better],
    )
    settled = f"settled from {level}"
    return sections.figures(
        report.Figure("Better", better, tone="main"),
        report.Figure("Greatest E", f"{verdict.e_value:.3g}", settled, "second"),
        report.Figure("A alone", str(tally.a_alone)),
        report.Figure("B alone", str(tally.b_alone)),
        sections.counts("Pairs", tally.pairs, verdict.errors),
        brief=True,
    )


def _verdict_sentences(verdict: Verdict) -> Iterator[str]:
    threshold = f"{1 / verdict.alpha:.3g}"
    if verdict.better is None:
        yield f"Not settled: E has not reached {threshold}."
    else:
        yield (
            f"{verdict.better.upper()} is better: E reached {threshold} after"
            f" {counted(verdict.settled_after or 0, 'pair')}. For equal agents this happens"
            f" in at most {verdict.alpha:.0%} of cases."
        )
    if verdict.errors:
        yield f"{counted(verdict.errors, 'further trial')} ended in an error."
    yield (
        "Success rates are biased in favour of the better agent, since the comparison"
        " stops depending on the result."
    )


def _evidence(verdict: Verdict) -> Markup:
    """Chart of the evidence after each pair."""
    # Matplotlib takes half a second to load, and the terminal shows no charts.
    from robomtl.pages.step_chart import evidence_chart

    number, level = counted(len(verdict.evidence), "pair"), f"{1 / verdict.alpha:.3g}"
    return evidence_chart(
        [e / math.log(10) for e in verdict.evidence],
        threshold=-math.log10(verdict.alpha),
        settled=verdict.settled_after,
        summary=f"E reached {verdict.e_value:.3g} in {number}; settled from {level}",
    )


def warnings_of(found: Comparison | SeedComparison) -> Iterator[str]:
    """Warnings: tasks left out, conditions that differ, goals that identify no task."""
    if found.left_out:
        yield f"Tasks left out: {', '.join(found.left_out)}."
    if found.differing:
        yield f"Differing: {'; '.join(found.differing)}."
    yield from found.goal_warnings


def _outcomes(
    pairs: Sequence[Pair], tasks: Sequence[str], note: str
) -> report.Section | None:
    grid = report.Trials(pair_grid(pairs, tasks))
    note = f"{note}; hover for details"
    return sections.section("outcomes", "Who solved which trial", note, grid)
