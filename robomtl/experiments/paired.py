"""The difference between two agents, from the trials that both played."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from statistics import NormalDist, fmean
from typing import NamedTuple, TypeVar

from scipy.stats import binomtest

from robomtl.evaluation.statistics import Interval

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Tally:
    """Pairs of trials, by who solved them."""

    both: int = 0
    a_alone: int = 0
    """Solved by A, not by B: with ``b_alone`` the discordant pairs."""
    b_alone: int = 0
    neither: int = 0

    @property
    def pairs(self) -> int:
        """All of them."""
        return sum(astuple(self))

    @property
    def success_a(self) -> float:
        """Fraction of the pairs that A solved."""
        return (self.both + self.a_alone) / self.pairs

    @property
    def success_b(self) -> float:
        """Fraction of the pairs that B solved."""
        return (self.both + self.b_alone) / self.pairs

    @property
    def difference(self) -> float:
        """Success of A minus that of B."""
        return (self.a_alone - self.b_alone) / self.pairs


def total(tallies: Sequence[Tally]) -> Tally:
    """All pairs together."""
    columns = zip(*map(astuple, tallies), strict=True)
    return Tally(*(sum(column) for column in columns))


def mcnemar(tally: Tally) -> float:
    """The two-sided p-value of A and B solving equally often, from the discordant pairs; exact.

    Over several tasks it tests that A and B solve each of them equally often.

    Source: Q. McNemar, Psychometrika 12 (1947), 153-157, with the binomial distribution
    in place of the normal; computed by scipy.
    """
    discordant = tally.a_alone + tally.b_alone
    return _binomial(tally.a_alone, discordant) if discordant else 1.0


@lru_cache(maxsize=4096)
def _binomial(successes: int, trials: int) -> float:
    return float(binomtest(successes, trials, 0.5).pvalue)


def difference_interval(tally: Tally, confidence: float = 0.95) -> Interval:
    """An interval of the difference of A and B in one task.

    Source: A. Agresti, Y. Min, Stat. Med. 24 (2005), 729-740: Wald's interval with half
    a pair more of each kind. It is never empty, not even where A and B solved the same
    trials.
    """
    return mean_difference_interval([tally], confidence=confidence)


def mean_difference_interval(
    tallies: Sequence[Tally], *, confidence: float = 0.95
) -> Interval:
    """An interval of the mean over tasks of the difference, for exactly these tasks.

    ``scripts/benchmark_coverage.py`` simulates how often it holds the true mean.

    Args:
        tallies: Of each task, with at least 1 pair.
        confidence: How often such intervals hold the true mean.
    """
    centre, variance = alone([_moments(tally) for tally in tallies])
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(variance)
    return Interval(max(-1.0, centre - half), min(1.0, centre + half))


class Moments(NamedTuple):
    """Differences of pairs: how many, their sum, and that of their squares."""

    pairs: int
    total: float
    squares: float


class Alone(NamedTuple):
    """A mean over tasks of differences, all pairs being independent."""

    centre: float
    variance: float
    """Variance of the mean."""


def alone(tasks: Sequence[Moments]) -> Alone:
    """The mean over tasks of the difference and its variance.

    Of one task they are Agresti and Min's. Several tasks are strata: the mean is as it
    was seen, and for its variance each task's moments are drawn to those of all tasks by
    as much as one pair, so that a task without discordant pairs counts as uncertain too.
    """
    if len(tasks) == 1:
        pairs, total, squares = tasks[0]
        mean, square = total / (pairs + 2), (squares + 1) / (pairs + 2)
        return Alone(mean, (square - mean**2) / (pairs + 2))
    pooled = sum(task.pairs for task in tasks) + 2
    whole = sum(task.total for task in tasks) / pooled
    whole_squares = (sum(task.squares for task in tasks) + 1) / pooled
    variance = 0.0
    for pairs, total, squares in tasks:
        mean = (total + whole) / (pairs + 1)
        square = (squares + whole_squares) / (pairs + 1)
        variance += (square - mean**2) / max(pairs - 1, 1) / len(tasks) ** 2
    return Alone(fmean(task.total / task.pairs for task in tasks), variance)


def _moments(tally: Tally) -> Moments:
    discordant = tally.a_alone + tally.b_alone
    return Moments(tally.pairs, tally.a_alone - tally.b_alone, discordant)


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """The p-values, corrected for there being several of them.

    Calling those below 5 % real is wrong about any of them in at most 5 % of cases.

    Source: S. Holm, Scand. J. Stat. 6 (1979), 65-70, as adjusted p-values.
    """
    corrected: dict[Key, float] = {}
    largest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, (len(p_values) - place) * p_values[name])
        corrected[name] = min(1.0, largest)
    return {name: corrected[name] for name in p_values}
