"""Estimates, intervals and tests from the trials of tasks, given as arrays."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.crossed import (
    Scores,
    combined,
    compared,
    differences,
    even,
    mean_of,
    outcomes_in,
    parts_of,
    success_interval,
    trials_of,
)
from robomtl.experiments.curves import area_weights
from robomtl.experiments.findings import Difference, Success, TaskSuccess
from robomtl.experiments.paired import holm
from robomtl.experiments.scores import known
from robomtl.experiments.spread import spread_interval

CONFIDENCE = 0.95
"""Confidence of all intervals; tests have the level 1 - CONFIDENCE."""

Key = TypeVar("Key", bound=Hashable)


def success_of(by_task: Mapping[str, Scores]) -> Success:
    """Mean success over tasks and success in each task, with intervals and counts.

    Args:
        by_task: Scores by task. A task without any outcome is counted in ``errors`` only.
    """
    tasks = known(by_task)
    return Success(
        task_mean=mean_success(tasks) if tasks else None,
        interval=success_interval(tasks, CONFIDENCE) if tasks else None,
        trials=sum(outcomes_in(scores) for scores in by_task.values()),
        errors=sum(int(np.isnan(scores).sum()) for scores in by_task.values()),
        tasks={
            task: TaskSuccess(
                success=float(np.nanmean(scores)),
                interval=success_interval({task: scores}, CONFIDENCE),
                trials=outcomes_in(scores),
                errors=int(np.isnan(scores).sum()),
            )
            for task, scores in tasks.items()
        },
    )


def difference_of(
    a: Mapping[str, Scores], b: Mapping[str, Scores]
) -> Difference | None:
    """Success of A minus that of B on the trials that both played; None without any."""
    return differences_of({"": (a, b)}).get("")


def differences_of(
    pairs: Mapping[Key, tuple[Mapping[str, Scores], Mapping[str, Scores]]],
) -> dict[Key, Difference]:
    """Success of A minus that of B under each of several conditions.

    Tasks are listed as worse or better after Holm's correction over all tasks and
    conditions together; p-values of the means are corrected over the conditions. A
    condition without a trial that both played is left out.

    Args:
        pairs: Scores of A and of B by task, under each condition.

    Returns:
        Differences by condition.
    """
    every = {key: differences(a, b) for key, (a, b) in pairs.items()}
    both = {key: tasks for key, tasks in every.items() if tasks}
    tests = {
        (key, task): compared({task: some}, CONFIDENCE)
        for key, tasks in both.items()
        for task, some in tasks.items()
    }
    corrected = holm({at: test.p_value for at, test in tests.items()})
    significant = {at for at, p_value in corrected.items() if p_value < 1 - CONFIDENCE}
    means = {key: compared(tasks, CONFIDENCE) for key, tasks in both.items()}
    corrected_means = holm({key: test.p_value for key, test in means.items()})
    return {
        key: Difference(
            difference=mean_success(tasks),
            interval=means[key].interval,
            holm=corrected_means[key],
            tasks={
                task: Estimate(_mean(some), tests[key, task].interval)
                for task, some in tasks.items()
            },
            worse=tuple(
                task
                for task, some in tasks.items()
                if (key, task) in significant and _mean(some) < 0
            ),
            better=tuple(
                task
                for task, some in tasks.items()
                if (key, task) in significant and _mean(some) > 0
            ),
        )
        for key, tasks in both.items()
    }


Curve = Mapping[int, Mapping[str, Scores]]
"""Scores by number of demonstrations and task."""


def curve_of(tried: Curve) -> dict[int, dict[str, Scores]]:
    """The curve by rising number; empty unless every number has the same tasks.

    Tasks without any outcome do not count.
    """
    some = {number: known(tasks) for number, tasks in sorted(tried.items())}
    names = {frozenset(tasks) for tasks in some.values()}
    return some if len(names) == 1 and names != {frozenset()} else {}


def area_of(curve: Curve) -> Estimate | None:
    """The area under a curve from ``curve_of``; None below 2 numbers of demonstrations."""
    if len(curve) < 2:
        return None
    return weighted_mean_of([*curve.values()], area_weights(list(curve)))


def weighted_mean_of(
    conditions: Sequence[Mapping[str, Scores]], weights: Sequence[float]
) -> Estimate:
    """A weighted mean of success under several conditions, such as the area of a curve.

    Args:
        conditions: Scores by task under each condition, of the same tasks and trials.
        weights: Weight of each condition; they add up to 1.
    """
    every = [list(tasks.values()) for tasks in conditions]
    means = [mean_of(tasks) for tasks in every]
    mean = sum(w * m for w, m in zip(weights, means, strict=True))
    alone = sum(
        w**2 * m * (1 - m) / trials_of(tasks)
        for w, m, tasks in zip(weights, means, every, strict=True)
    )
    areas = list(combined(conditions, weights).values())
    parts = parts_of(areas, even(areas))
    trials = mean * (1 - mean) / alone if alone else trials_of(every[0])
    return Estimate(mean, spread_interval(mean, parts, trials, CONFIDENCE))


def mean_success(tasks: Mapping[str, Scores]) -> float:
    """Mean over tasks of the mean over trials with an outcome."""
    return mean_of(list(tasks.values()))


def _mean(scores: Scores) -> float:
    return float(np.nanmean(scores))
