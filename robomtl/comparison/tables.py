"""Comparisons as tables for the terminal."""

from collections.abc import Iterator

from rich.table import Table

from robomtl.comparison.aggregates import Estimate
from robomtl.comparison.findings import Comparison, SeedComparison, TaskDifference
from robomtl.comparison.paired import Tally
from robomtl.comparison.sentences import (
    named,
    paired_sentences,
    seeds_sentences,
    verdict_sentences,
)
from robomtl.comparison.verdict import Verdict
from robomtl.evaluation.figures import change, p_value, percent, points


def comparison_table(found: Comparison) -> Table:
    """Differences per task, the largest first, with the task mean at the bottom."""
    made = _table(
        f"A {found.a}, B {found.b}, on {found.suite}", paired_sentences(found)
    )
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
        points(found.difference),
        change(found.interval),
        _alone(found.tally),
        p_value(found.p_value),
        style="bold",
    )
    return made


def seeds_table(found: SeedComparison) -> Table:
    """Aggregates over seeds of training and tasks."""
    title = f"A {named(found.a)}; B {named(found.b)}; on {found.suite}"
    made = _table(title, seeds_sentences(found))
    made.add_column("seeds and tasks")
    for name in ("A", "B", "A - B"):
        made.add_column(name, justify="right")
    made.add_row("mean", _rate(found.mean_a), _rate(found.mean_b))
    difference = (
        f"{points(found.difference.value)} ({change(found.difference.interval)})"
    )
    made.add_row(
        "IQM", _rate(found.iqm_a), _rate(found.iqm_b), difference, style="bold"
    )
    made.add_row("P(A improves on B)", "", "", _rate(found.improvement))
    return made


def verdict_table(found: Verdict) -> Table:
    """What is known of two agents once they stop."""
    made = _table(
        f"A {found.a}, B {found.b}, on {found.suite}", verdict_sentences(found)
    )
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


def _task_cells(task: TaskDifference) -> tuple[str, ...]:
    return (
        percent(task.tally.success_a),
        percent(task.tally.success_b),
        points(task.difference),
        change(task.interval),
        _alone(task.tally),
        p_value(task.p_value),
        p_value(task.holm),
    )


def _alone(tally: Tally) -> str:
    """How many trials A alone solved, and B alone."""
    return f"{tally.a_alone} : {tally.b_alone}"


def _rate(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{percent(estimate.value)} ({100 * low:.1f}–{100 * high:.1f})"
