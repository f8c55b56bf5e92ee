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
    """Pairs solved by A, not by B; with ``b_alone`` the discordant pairs."""
    b_alone: int = 0
    neither: int = 0

    @property
    def pairs(self) -> int:
        """Number of all pairs."""
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
    """The sum of tallies."""
    columns = zip(*map(astuple, tallies), strict=True)
    return Tally(*(sum(column) for column in columns))


def mcnemar(tally: Tally) -> float:
    """Exact two-sided p-value of A and B solving equally often, from discordant pairs.

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
    """Confidence interval of the difference of A and B in one task.

    Source: A. Agresti, Y. Min, Stat. Med. 24 (2005), 729-740: Wald's interval with half
    a pair added to each kind. Its width is never 0, not even where A and B solved the same
    trials.
    """
    return mean_difference_interval([tally], confidence=confidence)


def mean_difference_interval(
    tallies: Sequence[Tally], *, confidence: float = 0.95
) -> Interval:
    """Confidence interval of the mean difference over exactly these tasks.

    ``scripts/benchmark_coverage.py`` simulates its coverage.

    Args:
        tallies: Tally of each task, with at least 1 pair.
        confidence: Nominal coverage of the interval.
    """
    centre, variance = mean_difference([_moments(tally) for tally in tallies])
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(variance)
    return Interval(max(-1.0, centre - half), min(1.0, centre + half))


class Moments(NamedTuple):
    """Number, sum and sum of squares of the differences of pairs."""

    pairs: int
    total: float
    squares: float


class MeanDifference(NamedTuple):
    """Mean difference over tasks, all pairs being independent."""

    centre: float
    variance: float
    """Variance of the mean."""


def mean_difference(tasks: Sequence[Moments]) -> MeanDifference:
    """Mean difference over tasks, and the variance of that mean.

    For one task they are Agresti and Min's. Several tasks are strata: the mean is the
    observed one, and for its variance each task's moments are shrunk towards those of all
    tasks with the weight of one pair, so that a task without discordant pairs counts as
    uncertain too.
    """
    if len(tasks) == 1:
        pairs, total, squares = tasks[0]
        mean, square = total / (pairs + 2), (squares + 1) / (pairs + 2)
        return MeanDifference(mean, (square - mean**2) / (pairs + 2))
    pooled = sum(task.pairs for task in tasks) + 2
    whole = sum(task.total for task in tasks) / pooled
    whole_squares = (sum(task.squares for task in tasks) + 1) / pooled
    variance = 0.0
    for pairs, total, squares in tasks:
        mean = (total + whole) / (pairs + 1)
        square = (squares + whole_squares) / (pairs + 1)
        variance += (square - mean**2) / max(pairs - 1, 1) / len(tasks) ** 2
    return MeanDifference(fmean(task.total / task.pairs for task in tasks), variance)


def _moments(tally: Tally) -> Moments:
    discordant = tally.a_alone + tally.b_alone
    return Moments(tally.pairs, tally.a_alone - tally.b_alone, discordant)


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """P-values after Holm's correction for multiple tests.

    Rejecting those below 5 % rejects any true hypothesis in at most 5 % of cases.

    Source: S. Holm, Scand. J. Stat. 6 (1979), 65-70, as adjusted p-values.
    """
    corrected: dict[Key, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, (len(p_values) - rank) * p_values[name])
        corrected[name] = min(1.0, largest)
    return {name: corrected[name] for name in p_values}
