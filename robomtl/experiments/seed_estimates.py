"""Estimates over seeds of training and tasks, with intervals.

Each seed is one policy in all tasks, so that intervals treat it as one draw; seeds share
the trials. The method is that of ``robomtl.experiments.crossed``. It is applied to the
interquartile mean through its influence function: a score within the quartiles counts as
it is, a score beyond them as the quartile (P. J. Huber, E. M. Ronchetti, Robust
Statistics (2009), section 3.3). The probability of improvement is for seeds on exactly
these trials: its variance is that of a U-statistic (W. Hoeffding, Ann. Math. Stat. 19
(1948), 293-325), from the means of each seed.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from robomtl.evaluation.statistics import Interval
from robomtl.experiments.aggregates import (
    Estimate,
    Rates,
    improvements,
    iqm,
    trimmed,
)
from robomtl.experiments.crossed import (
    Scores,
    Totals,
    even,
    mean_of,
    parts_of,
    success_interval,
    totals,
    unpaired_parts,
)
from robomtl.experiments.spread import Part, Spread, spread_interval, summed

Tasks = Mapping[str, Scores]
"""Success by task; (seed, 1, 1, trial)."""


def mean_estimate(tasks: Tasks, confidence: float) -> Estimate:
    """Mean success over seeds and tasks."""
    every = list(tasks.values())
    return Estimate(mean_of(every), success_interval(tasks, confidence))


def iqm_estimate(tasks: Tasks, confidence: float) -> Estimate:
    """Interquartile mean of success over seeds and tasks."""
    every = list(tasks.values())
    value = iqm(rates_of(every))
    parts = parts_of(_influences(every), even(every))
    trials = _trials(every)
    # Scores are trimmed by their outcomes, so that seeds agree by chance more often.
    interval = spread_interval(value, parts, trials, confidence, least=1.0)
    return Estimate(value, interval)


def iqm_difference(a: Tasks, b: Tasks, confidence: float) -> Estimate:
    """Interquartile mean of A minus that of B; tasks in the same order."""
    both = list(a.values()), list(b.values())
    values = [iqm(rates_of(every)) for every in both]
    alone = sum(
        _smoothed(value, _trials(every))
        for value, every in zip(values, both, strict=True)
    )
    ours, theirs = (_influences(every) for every in both)
    spread = Spread(unpaired_parts(ours, theirs, even(ours)), alone)
    half, value = spread.half_width(confidence), values[0] - values[1]
    return Estimate(value, Interval(max(-1.0, value - half), min(1.0, value + half)))


def improvement_estimate(a: Tasks, b: Tasks, confidence: float) -> Estimate:
    """Probability that a seed of A beats one of B in a task, in these trials."""
    won = improvements(rates_of(list(a.values())), rates_of(list(b.values())))
    value, seeds = float(won.mean()), won.shape
    parts = summed(
        [
            Part((0,), float(won.mean(axis=1 - side).var(ddof=1)) / size, size - 1)
            for side, size in enumerate(seeds)
        ]
    )
    # Where all seeds of one side won in every task, each seed counts as one draw.
    trials = won.size * len(a) if 0 < value < 1 else min(seeds)
    return Estimate(value, spread_interval(value, parts, trials, confidence))


def rates_of(tasks: Sequence[Scores]) -> Rates:
    """Success of each seed in each task; (seed, task)."""
    every = _totals(tasks)
    return every.sums / every.numbers


def _influences(tasks: Sequence[Scores]) -> list[Scores]:
    """Scores whose mean varies as the interquartile mean does, of the same shapes."""
    rates = rates_of(tasks)
    kept, clipped = trimmed(rates)
    every = []
    for index, scores in enumerate(tasks):
        rate, fraction, quartile = (
            column[:, index, None, None, None] for column in (rates, kept, clipped)
        )
        every.append((quartile + fraction * (scores - rate)) / kept.mean())
    return every


def _trials(tasks: Sequence[Scores]) -> float:
    """Effective number of independent trials behind the scores within the quartiles.

    Scores are selected by their outcomes, so that they are not strata: all are treated as
    having the same rate.
    """
    every = _totals(tasks)
    kept = trimmed(every.sums / every.numbers).kept
    weights = kept / kept.sum()
    return float(1 / np.sum(weights**2 / every.numbers))


def _totals(tasks: Sequence[Scores]) -> Totals:
    """Sums and counts of outcomes of each seed in each task; (seed, task)."""
    return totals([scores.reshape(len(scores), -1) for scores in tasks])


def _smoothed(rate: float, trials: float) -> float:
    """Variance of a rate shrunk towards one half by two trials, so that it is never 0."""
    shrunk = (rate * trials + 1) / (trials + 2)
    return shrunk * (1 - shrunk) / trials
