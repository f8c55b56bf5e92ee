"""Comparisons as tables for the terminal."""

from collections.abc import Iterator

from rich.table import Table

from robomtl.comparison.aggregates import Estimate
from robomtl.comparison.comparison import Comparison, TaskDifference
from robomtl.comparison.paired import Tally
from robomtl.comparison.seeds import SeedComparison
from robomtl.comparison.verdict import Verdict
from robomtl.evaluation.figures import counted, percent
from robomtl.evaluation.statistics import Interval


def comparison_table(found: Comparison) -> Table:
    """Differences per task, the largest first, with the task mean at the bottom."""
    made = _table(f"A {found.a}, B {found.b}, on {found.suite}", _paired_lines(found))
    made.add_column("task")
    level = f"{found.confidence:.0%}"
    for name in ("A", "B", "A - B", level, "alone", "p", "Holm"):
        made.add_column(name, justify="right", no_wrap=True)
    by_size = sorted(found.tasks.items(), key=lambda item: -item[1].difference)
    for name, task in by_size:
        made.add_row(name, *_task_cells(task))
    made.add_section()
    made.add_row(
        "task mean",
        percent(found.success_a),
        percent(found.success_b),
        _points(found.difference),
        _span(found.interval),
        _alone(found.tally),
        _p(found.p_value),
        style="bold",
    )
    return made


def seeds_table(found: SeedComparison) -> Table:
    """Aggregates over seeds of training and tasks."""
    title = f"A {_named(found.a)}; B {_named(found.b)}; on {found.suite}"
    made = _table(title, _seed_lines(found))
    made.add_column("seeds and tasks")
    for name in ("A", "B", "A - B"):
        made.add_column(name, justify="right")
    made.add_row("mean", _rate(found.mean_a), _rate(found.mean_b))
    difference = (
        f"{_points(found.difference.value)} ({_span(found.difference.interval)})"
    )
    made.add_row(
        "IQM", _rate(found.iqm_a), _rate(found.iqm_b), difference, style="bold"
    )
    made.add_row("P(A improves on B)", "", "", _rate(found.improvement))
    return made


def verdict_table(found: Verdict) -> Table:
    """What is known of two agents once they stop."""
    made = _table(f"A {found.a}, B {found.b}, on {found.suite}", _verdict_lines(found))
    for name in ("pairs", "A alone", "B alone", "both", "neither", "greatest E"):
        made.add_column(name, justify="right")
    tally = found.tally
    cells = (tally.pairs, tally.a_alone, tally.b_alone, tally.both, tally.neither)
    made.add_row(*map(str, cells), f"{found.e_value:.3g}")
    return made


def _table(title: str, lines: Iterator[str]) -> Table:
    return Table(
        title=title,
        caption="\n".join(lines),
        title_justify="left",
        caption_justify="left",
    )


def _paired_lines(found: Comparison) -> Iterator[str]:
    yield f"{counted(found.tally.pairs, 'trial')} that both played; {_missing(found)}."
    yield (
        f"McNemar's exact test: p = {_p(found.p_value)}. A is worse in"
        f" {counted(len(found.worse), 'task')} and better in {len(found.better)},"
        " by intervals."
    )
    yield _more(found)
    yield from _warnings(found.left_out, found.differing)


def _missing(found: Comparison) -> str:
    return (
        f"{found.errors} more ended in an error, {found.only_a} are of A only,"
        f" {found.only_b} of B only"
    )


def _more(found: Comparison) -> str:
    level = f"{1 - found.confidence:.2g}"
    if found.more_to_settle == 0:
        return f"They differ, at a level of {level}."
    if found.more_to_settle is None:
        return "No difference is seen that more trials could settle."
    return (
        f"Not settled at a level of {level}. Were they to differ as much as seen,"
        f" {found.more_to_settle:,} more trials of each would settle it in 80 % of cases."
    )


def _seed_lines(found: SeedComparison) -> Iterator[str]:
    yield (
        f"{len(found.a)} and {len(found.b)} seeds of training,"
        f" {counted(len(found.tasks), 'task')}; {found.confidence:.0%} intervals over"
        " seeds; rliable's definitions."
    )
    if found.errors:
        yield f"{counted(found.errors, 'trial')} ended in an error and are in no rate."
    yield from _warnings(found.left_out, found.differing)


def _verdict_lines(found: Verdict) -> Iterator[str]:
    threshold = f"{1 / found.alpha:.3g}"
    if found.better is None:
        yield f"Not settled: E has not come to {threshold}."
    else:
        yield (
            f"{found.better.upper()} is better: E came to {threshold} after"
            f" {counted(found.settled_after or 0, 'pair')}. Equal agents get there in at"
            f" most {found.alpha:.0%} of cases."
        )
    if found.errors:
        yield f"{counted(found.errors, 'trial')} more ended in an error."
    yield "Shares at a moment chosen by the result flatter the better agent."


def _warnings(left_out: tuple[str, ...], differing: tuple[str, ...]) -> Iterator[str]:
    if left_out:
        yield f"Tasks left out: {', '.join(left_out)}."
    if differing:
        yield f"Not alike: {'; '.join(differing)}."


def _task_cells(task: TaskDifference) -> tuple[str, ...]:
    return (
        percent(task.tally.success_a),
        percent(task.tally.success_b),
        _points(task.difference),
        _span(task.interval),
        _alone(task.tally),
        _p(task.p_value),
        _p(task.holm),
    )


def _alone(tally: Tally) -> str:
    """How many trials A alone solved, and B alone."""
    return f"{tally.a_alone} : {tally.b_alone}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def _span(interval: Interval) -> str:
    return f"{100 * interval.low:+.1f}, {100 * interval.high:+.1f}"


def _rate(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{percent(estimate.value)} ({100 * low:.1f}–{100 * high:.1f})"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"


def _named(agents: tuple[str, ...]) -> str:
    return ", ".join(dict.fromkeys(agents))
