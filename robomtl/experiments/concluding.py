"""From trials of tasks as arrays to what they come to."""

from collections.abc import Mapping
from statistics import fmean

import numpy as np

from robomtl.comparison.aggregates import Estimate
from robomtl.experiments.crossed import Crossed, Scores, differences
from robomtl.experiments.curves import area
from robomtl.experiments.findings import Difference, Success, TaskSuccess
from robomtl.experiments.scores import known


def success_of(every: Mapping[str, Scores], draws: Crossed) -> Success:
    """How tasks went.

    Args:
        every: Success in the trials of each, also of those without any outcome.
        draws: Draws all anew, for the intervals.
    """
    tasks = known(every)
    return Success(
        task_mean=mean_success(tasks) if tasks else None,
        interval=draws.success(tasks) if tasks else None,
        trials=sum(_trials(scores) for scores in every.values()),
        errors=sum(int(np.isnan(scores).sum()) for scores in every.values()),
        tasks={
            task: TaskSuccess(
                success=float(np.nanmean(scores)),
                interval=draws.success({task: scores}),
                trials=_trials(scores),
                errors=int(np.isnan(scores).sum()),
            )
            for task, scores in tasks.items()
        },
    )


def difference_of(
    a: Mapping[str, Scores], b: Mapping[str, Scores], draws: Crossed
) -> Difference | None:
    """Success of A less that of B, on the trials that both played; None without any."""
    both = differences(a, b)
    if not both:
        return None
    tasks = {
        task: Estimate(float(np.nanmean(some)), draws.difference({task: some}))
        for task, some in both.items()
    }
    return Difference(
        difference=mean_success(both),
        interval=draws.difference(both),
        tasks=tasks,
        worse=tuple(task for task in tasks if tasks[task].interval.high < 0),
        better=tuple(task for task in tasks if tasks[task].interval.low > 0),
    )


Curve = Mapping[int, Mapping[str, Scores]]
"""Success of trials by number of demonstrations, rising, and task."""


def curve_of(tried: Curve) -> dict[int, dict[str, Scores]]:
    """What was tried, where every number has an outcome of every task; else nothing."""
    some = {number: known(tasks) for number, tasks in sorted(tried.items())}
    names = {frozenset(tasks) for tasks in some.values()}
    return some if len(names) == 1 and names != {frozenset()} else {}


def area_of(curve: Curve, draws: Crossed) -> Estimate | None:
    """The area under a curve of ``curve_of``; None from one number of demonstrations."""
    if len(curve) < 2:
        return None
    numbers = list(curve)
    seen = [np.array(mean_success(tasks)) for tasks in curve.values()]
    drawn = [draws.mean(tasks) for tasks in curve.values()]
    return Estimate(float(area(numbers, seen)), draws.interval(area(numbers, drawn)))


def mean_success(tasks: Mapping[str, Scores]) -> float:
    """Mean over tasks of the mean over trials with an outcome."""
    return fmean(float(np.nanmean(scores)) for scores in tasks.values())


def _trials(scores: Scores) -> int:
    return int((~np.isnan(scores)).sum())
