"""Intervals of success where seeds, supports and trials all might have been others.

All methods have the same seeds of training, the same draws of the support and the same
trials, and every one of them meets every other: the design is crossed, not nested. So
each is drawn anew by itself: seeds for all tasks at once, as one policy serves them all;
draws, goals and trials within each task. The tasks stay. Of n there are n - 1 drawn, or
intervals would be too short by (n - 1) / n; of 1 there is nothing to draw, and the
interval is that of what remains: with one seed, it is of this one policy.

Source: A. B. Owen, The pigeonhole bootstrap, Ann. Appl. Stat. 1 (2007), 386-411, whose
variance is never too small but for these n - 1; those: J. N. K. Rao, C. F. J. Wu, J. Am.
Stat. Assoc. 83 (1988), 231-241.

An interval is never shorter than the one of trials alone, were they all independent, by
``mean_interval`` and ``mean_difference_interval``: where every trial went alike there is
nothing to draw anew, and certainty there is none.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomtl.comparison.paired import (
    Tally,
    difference_interval,
    mean_difference_interval,
)
from robomtl.evaluation.statistics import Count, Interval, mean_interval

Scores = NDArray[np.float64]
"""Success of trials, NaN without an outcome; (seed, draw, goal, trial)."""
Drawn = NDArray[np.float64]
"""A statistic of each resample; (resample,)."""

_AXES = ("seed", "draw", "goal", "trial")


@dataclass(frozen=True, kw_only=True)
class Crossed:
    """Draws seeds, supports, goals and trials anew, the same for all methods."""

    confidence: float = 0.95
    """How often intervals are to hold the true value."""
    resamples: int = 2000
    """How often all is drawn anew."""
    seed: int = 0
    """Of these draws."""

    def rates(self, task: str, scores: Scores) -> Drawn:
        """Success in a task, in each resample; that seen where one has no outcome."""
        there = ~np.isnan(scores)
        weights = [
            self._weights(axis, task, size)
            for axis, size in zip(_AXES, scores.shape, strict=True)
        ]
        solved = _weighed(np.where(there, scores, 0.0), weights)
        if there.all():
            return solved
        outcomes = _weighed(there.astype(np.float64), weights)
        seen = np.nanmean(scores)
        safe = np.where(outcomes > 0, outcomes, 1.0)
        return np.where(outcomes > 0, solved / safe, seen)

    def mean(self, tasks: Mapping[str, Scores]) -> Drawn:
        """Mean over tasks of success, in each resample."""
        every = [self.rates(task, scores) for task, scores in tasks.items()]
        return np.asarray(np.mean(every, axis=0))

    def interval(self, drawn: Drawn) -> Interval:
        """Percentiles of a statistic over the resamples."""
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(drawn, [tail, 1 - tail])
        return Interval(float(low), float(high))

    def success(self, tasks: Mapping[str, Scores]) -> Interval:
        """An interval of the mean over tasks of success."""
        counts = [_count(scores) for scores in tasks.values()]
        alone = mean_interval(counts, [1 / len(counts)] * len(counts), self.confidence)
        return _hull(self.interval(self.mean(tasks)), alone)

    def difference(self, tasks: Mapping[str, Scores]) -> Interval:
        """An interval of the mean over tasks of differences of success.

        Args:
            tasks: By task, success of A less that of B in each trial: 1, 0 or -1.
        """
        tallies = [_tally(scores) for scores in tasks.values()]
        if len(tallies) == 1:
            alone = difference_interval(tallies[0], self.confidence)
        else:
            alone = mean_difference_interval(
                tallies,
                confidence=self.confidence,
                resamples=self.resamples,
                seed=self.seed,
            )
        return _hull(self.interval(self.mean(tasks)), alone)

    def _weights(self, axis: str, task: str, size: int) -> NDArray[np.float64]:
        """How often each of an axis is drawn, as shares; (resample, size)."""
        if size == 1:
            return np.ones((self.resamples, 1))
        name = axis if axis == "seed" else f"{axis}/{task}"
        generator = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        counts = generator.multinomial(size - 1, [1 / size] * size, self.resamples)
        return counts / (size - 1)


def differences(
    a: Mapping[str, Scores], b: Mapping[str, Scores]
) -> dict[str, NDArray[np.float64]]:
    """Success of A less that of B in each trial of the tasks that both played.

    An axis of one, as the draw has of a method that looks at no support, is met by every
    entry of the other's. Tasks without a pair are left out.
    """
    both = {task: a[task] - b[task] for task in a if task in b}
    return {task: some for task, some in both.items() if not np.isnan(some).all()}


def _weighed(
    values: NDArray[np.float64], weights: Sequence[NDArray[np.float64]]
) -> Drawn:
    """Sums weighed along every axis; (resample,)."""
    seed, draw, goal, trial = weights
    drawn = np.einsum("sdgt,rt->rsdg", values, trial, optimize=True)
    weighed = np.einsum("rsdg,rs,rd,rg->r", drawn, seed, draw, goal, optimize=True)
    return np.asarray(weighed)


def _count(scores: Scores) -> Count:
    return Count(int(np.nansum(scores)), int((~np.isnan(scores)).sum()))


def _tally(scores: Scores) -> Tally:
    """Pairs by who solved them alone; which of the others were solved is not needed."""
    return Tally(
        a_alone=int((scores == 1).sum()),
        b_alone=int((scores == -1).sum()),
        neither=int((scores == 0).sum()),
    )


def _hull(a: Interval, b: Interval) -> Interval:
    return Interval(min(a.low, b.low), max(a.high, b.high))
