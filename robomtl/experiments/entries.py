"""Entries of the tables on the page of an experiment."""

from statistics import median

from robomtl.evaluation.formatting import change, counted, percent, points, span
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.findings import Difference, Success, TaskSuccess
from robomtl.pages.matrix import Entry

NONE = Entry("–")
"""Entry of a missing value."""


def rate(success: Success, task: str | None = None) -> Entry:
    """Success with its interval and errors.

    Args:
        success: Success over all tasks.
        task: Name of the task to show; the mean over all if None.
    """
    some: Success | TaskSuccess | None = success
    if task is not None:
        some = success.tasks.get(task)
    if some is None or some.interval is None:
        return Entry("–", warning=_errors(0 if task else success.errors))
    shown = some.success if isinstance(some, TaskSuccess) else some.task_mean
    return Entry(percent(shown), span(some.interval), _errors(some.errors))


def _errors(number: int) -> str:
    return counted(number, "error") if number else ""


def difference(found: Difference | None) -> Entry:
    """A difference with its interval and the number of tasks that are worse."""
    if found is None:
        return NONE
    worse = f"worse in {counted(len(found.worse), 'task')}" if found.worse else ""
    return Entry(points(found.difference), change(found.interval), worse)


def estimate(found: Estimate | None) -> Entry:
    """A fraction with its interval, in per cent."""
    return NONE if found is None else Entry(percent(found.value), span(found.interval))


def seconds(time: float | None) -> str:
    """A time [s]; a dash for None."""
    if time is None:
        return "–"
    return f"{time:.2g}" if time < 100 else f"{time:,.0f}"


def between(numbers: list[float]) -> Entry:
    """The median of numbers, with minimum and maximum where they differ."""
    low, high = min(numbers), max(numbers)
    if low == high:
        return Entry(f"{low:,.0f}")
    return Entry(f"{median(numbers):,.0f}", f"{low:,.0f}–{high:,.0f}")
