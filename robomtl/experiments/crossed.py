"""Intervals of mean success in a crossed design of seeds, supports, goals and trials.

All methods share the seeds of training, the draws of the support and the trials, in all
combinations: the design is crossed, not nested. A seed is shared by all tasks, as one
policy serves them; draws, goals and trials belong to one task. The tasks are fixed. An
axis of length 1 does not vary: with one seed, an interval is for this one policy.

The variance of the mean comes from an analysis of variance. With V_A the mean square of
the interaction of the axes A over the number of cells, the sum of (-1)^(|A| + 1) V_A
over all sets A of axes is unbiased, whichever effects and interactions there are. The
half width of an interval is the root of the sum of (-1)^(|A| + 1) t_A^2 V_A: t has the
degrees of freedom of seeds, draws or goals (for tasks together, Satterthwaite's), for
interactions the sum of those of their axes, and is normal for trials; see ``spread``. This
works from two seeds on, where a bootstrap over seeds has only three resamples.

Sources: S. R. Searle, G. Casella, C. E. McCulloch, Variance Components (1992), chapter 4;
F. E. Satterthwaite, Biometrics Bulletin 2 (1946), 110-114.
``scripts/benchmark_coverage.py`` simulates the coverage of the intervals.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.evaluation.statistics import Count, Interval, effective_trials
from robomtl.experiments.paired import Moments, Tally, mcnemar, mean_difference
from robomtl.experiments.spread import (
    Part,
    Spread,
    pooled_freedom,
    spread_interval,
    summed,
)

Scores = NDArray[np.float64]
"""Success of trials, NaN without an outcome; (seed, draw, goal, trial)."""

_TRIAL = 3


def parts_of(tasks: Sequence[Scores], weights: Sequence[float]) -> tuple[Part, ...]:
    """The variance components of a weighted mean over tasks, one per set of axes.

    Args:
        tasks: Scores of each task; a missing outcome is replaced by the task's mean.
        weights: Weight of each task.
    """
    weighed = _stacked(tasks, weights)
    by_axes: dict[tuple[int, ...], list[tuple[float, int]]] = {}
    for scores in weighed:
        for axes, squares in _mean_squares(scores):
            by_axes.setdefault(axes, []).extend(squares)
    if (0,) in by_axes and len({scores.shape[1] for scores in weighed}) == 1:
        seeds = sum(scores.mean(axis=(2, 3, 4)).sum(axis=0) for scores in weighed)
        by_axes[(0,)] = [(float(np.var(seeds, ddof=1)) / len(seeds), len(seeds) - 1)]  # pyrefly: ignore[bad-argument-type]
    freedom = {
        axes[0]: pooled_freedom(some)
        for axes, some in by_axes.items()
        if len(axes) == 1
    }
    freedom[_TRIAL] = np.inf
    return tuple(
        Part(axes, sum(v for v, _ in some), sum(freedom[axis] for axis in axes))
        for axes, some in by_axes.items()
    )


def unpaired_parts(
    a: Sequence[Scores], b: Sequence[Scores], weights: Sequence[float]
) -> tuple[Part, ...]:
    """The variance components of A minus B, where A and B have different seeds.

    Args:
        a: Scores of A in each task; (seed of A, draw, goal, trial).
        b: Scores of B in the same trials, or in others if their number differs.
        weights: Weight of each task.
    """
    both = summed((*parts_of(a, weights), *parts_of(b, weights)))
    if any(x.shape[1:] != y.shape[1:] for x, y in zip(a, b, strict=True)):
        return both
    shared = [
        np.nanmean(x, axis=0, keepdims=True) - np.nanmean(y, axis=0, keepdims=True)
        for x, y in zip(a, b, strict=True)
    ]
    own = (part for part in both if 0 in part.axes)
    return (*own, *parts_of(shared, weights))


def combined(
    curve: Sequence[Mapping[str, Scores]], weights: Sequence[float]
) -> dict[str, Scores]:
    """Weighted sums of the scores of each task, trial by trial.

    Args:
        curve: Scores by task, of the same tasks, under each of several conditions.
        weights: Weight of each condition; they add up to 1.
    """
    return {
        task: np.asarray(
            sum(
                weight * _filled(some[task])
                for some, weight in zip(curve, weights, strict=True)
            )
        )
        for task in curve[0]
    }


def success_interval(tasks: Mapping[str, Scores], confidence: float = 0.95) -> Interval:
    """Confidence interval of the mean success over tasks."""
    every = list(tasks.values())
    parts = parts_of(every, even(every))
    return spread_interval(mean_of(every), parts, trials_of(every), confidence)


def even(tasks: Sequence[Scores]) -> list[float]:
    """Equal weights of the tasks; they add up to 1."""
    return [1 / len(tasks)] * len(tasks)


def mean_of(tasks: Sequence[Scores]) -> float:
    """Mean over tasks of the mean over trials with an outcome."""
    every = totals([scores.reshape(1, -1) for scores in tasks])
    return fmean((every.sums / every.numbers)[0])


def trials_of(tasks: Sequence[Scores]) -> float:
    """Effective number of independent trials behind the mean success over tasks."""
    every = totals([scores.reshape(1, -1) for scores in tasks])
    counts = [
        Count(int(solved), int(number))
        for solved, number in zip(every.sums[0], every.numbers[0], strict=True)
    ]
    return effective_trials(counts, even(tasks))


def outcomes_in(scores: Scores) -> int:
    """Number of trials with an outcome."""
    return int((~np.isnan(scores)).sum())


class Totals(NamedTuple):
    """Sums and counts of outcomes, without those that are NaN; (row, task) each."""

    sums: Scores
    numbers: NDArray[np.int64]


def totals(tasks: Sequence[Scores]) -> Totals:
    """Sums and counts of the outcomes of every task.

    Args:
        tasks: Outcomes of each task; (row, trial), with the same number of rows.
    """
    starts = np.cumsum([0, *(scores.shape[1] for scores in tasks[:-1])])
    outcomes = np.concatenate(list(tasks), axis=1)
    known = ~np.isnan(outcomes)
    return Totals(
        np.add.reduceat(np.where(known, outcomes, 0.0), starts, axis=1),
        np.add.reduceat(known, starts, axis=1, dtype=np.int64),
    )


@dataclass(frozen=True, kw_only=True)
class DifferenceTest:
    """Test of the mean difference of success over tasks against 0."""

    interval: Interval
    p_value: float
    """Two-sided p-value of no difference; for one task at least that of McNemar's exact
    test."""


def compared(tasks: Mapping[str, Scores], confidence: float = 0.95) -> DifferenceTest:
    """Interval and p-value of the mean difference over tasks.

    Args:
        tasks: Success of A minus that of B in each trial, from -1 to 1, by task.
        confidence: Confidence of the interval.
    """
    every = list(tasks.values())
    centre, variance = mean_difference([_moments(scores) for scores in every])
    spread = Spread(parts_of(every, even(every)), variance)
    half = spread.half_width(confidence)
    p_value = spread.p_value(centre)
    if len(every) == 1:
        p_value = max(p_value, mcnemar(_tally(every[0])))
    interval = Interval(max(-1.0, centre - half), min(1.0, centre + half))
    return DifferenceTest(interval=interval, p_value=p_value)


def differences(
    a: Mapping[str, Scores], b: Mapping[str, Scores]
) -> dict[str, NDArray[np.float64]]:
    """Success of A minus that of B in each trial of the tasks that both played.

    An axis of length 1, such as the draws of a method that reads no support, is
    broadcast. Tasks without a pair are left out.
    """
    both = {task: a[task] - b[task] for task in a if task in b}
    return {task: some for task, some in both.items() if not np.isnan(some).all()}


def _filled(scores: Scores) -> Scores:
    """Scores with missing outcomes replaced by the task's mean."""
    means = np.nanmean(scores, axis=(-4, -3, -2, -1), keepdims=True)
    return np.where(np.isnan(scores), means, scores)


def _stacked(tasks: Sequence[Scores], weights: Sequence[float]) -> list[Scores]:
    """Weighted scores stacked by shape; (task, seed, draw, goal, trial) each."""
    by_shape: dict[tuple[int, ...], list[tuple[Scores, float]]] = {}
    for scores, weight in zip(tasks, weights, strict=True):
        by_shape.setdefault(scores.shape, []).append((scores, weight))
    return [
        np.array([weight for _, weight in some])[:, None, None, None, None]
        * _filled(np.stack([scores for scores, _ in some]))
        for some in by_shape.values()
    ]


def _mean_squares(
    tasks: Scores,
) -> Iterator[tuple[tuple[int, ...], list[tuple[float, int]]]]:
    """Mean squares over numbers of cells, and degrees of freedom, by set of axes.

    Args:
        tasks: Scores of the same shape; (task, seed, draw, goal, trial).

    Yields:
        A set of axes, and the mean square and degrees of freedom of each task.
    """
    sizes = tasks.shape[1:]
    varying = [axis for axis, size in enumerate(sizes) if size > 1]
    for number in range(1, len(varying) + 1):
        for axes in combinations(varying, number):
            others = tuple(1 + axis for axis in range(len(sizes)) if axis not in axes)
            cells = tasks.mean(axis=others, keepdims=True)
            for axis in axes:
                cells = cells - cells.mean(axis=1 + axis, keepdims=True)
            freedom = int(np.prod([sizes[axis] - 1 for axis in axes]))
            squares = np.sum(cells**2, axis=(1, 2, 3, 4)) / freedom / cells[0].size
            yield axes, [(float(square), freedom) for square in squares]


def _moments(scores: Scores) -> Moments:
    known = scores[~np.isnan(scores)]
    return Moments(known.size, float(known.sum()), float((known**2).sum()))


def _tally(scores: Scores) -> Tally:
    """Tally of discordant pairs; concordant ones count as ``neither``, for McNemar's."""
    a_alone, b_alone = int((scores > 0).sum()), int((scores < 0).sum())
    return Tally(0, a_alone, b_alone, outcomes_in(scores) - a_alone - b_alone)
