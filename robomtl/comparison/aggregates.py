"""Aggregates of scores over seeds of training and tasks, with intervals.

The definitions are those of rliable (R. Agarwal et al., Deep Reinforcement Learning at
the Edge of the Statistical Precipice, NeurIPS 2021, and its code): IQM as in
``aggregate_iqm``, probability of improvement as in ``probability_of_improvement``, and
percentile intervals of ``StratifiedBootstrap`` and ``StratifiedIndependentBootstrap``
without ``task_bootstrap``: seeds are drawn anew within each task, the tasks stay.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean  # type: ignore[import-untyped]

from robomtl.evaluation.statistics import Interval

Scores = NDArray[np.float64]
Statistic = Callable[..., Scores]

_BLOCK = 250  # Resamples held in memory at once.


def mean(scores: Scores) -> Scores:
    """The mean over seeds and tasks; (..., seed, task) -> (...)."""
    return np.asarray(scores.mean(axis=(-2, -1)))


def iqm(scores: Scores) -> Scores:
    """The mean without the lowest and the highest quarter of all seeds' task scores.

    Args:
        scores: Success of each seed in each task; (..., seed, task).

    Returns:
        (...)
    """
    pooled = scores.reshape(*scores.shape[:-2], -1)
    return np.asarray(trim_mean(pooled, proportiontocut=0.25, axis=-1))


def iqm_difference(a: Scores, b: Scores) -> Scores:
    """The interquartile mean of A less that of B; (..., seed, task) each -> (...)."""
    return iqm(a) - iqm(b)


def probability_of_improvement(a: Scores, b: Scores) -> Scores:
    """The probability that a seed of A beats one of B in a task, ties counting half.

    Args:
        a: Scores of A; (..., seed of A, task).
        b: Scores of B; (..., seed of B, task).

    Returns:
        Mean over tasks; (...).
    """
    wins = np.sign(a[..., :, None, :] - b[..., None, :, :])
    return np.asarray((1 + wins.mean(axis=(-3, -2, -1))) / 2)


@dataclass(frozen=True)
class Estimate:
    """A number and its interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """Seeds drawn anew within each task."""

    confidence: float
    """How often intervals are to hold the true value."""
    resamples: int
    """How often seeds are drawn anew."""
    seed: int
    """Of the draws."""

    def estimate(self, statistic: Statistic, *scores: Scores) -> Estimate:
        """A statistic, and percentiles of it over the draws.

        Args:
            statistic: Of as many matrices as are given, which axes may precede.
            *scores: Matrices, drawn independently of each other; (seed, task).
        """
        generator = np.random.default_rng(self.seed)
        blocks = []
        for start in range(0, self.resamples, _BLOCK):
            size = min(_BLOCK, self.resamples - start)
            drawn = [_drawn(matrix, size, generator) for matrix in scores]
            blocks.append(statistic(*drawn))
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(np.concatenate(blocks), [tail, 1 - tail])
        return Estimate(float(statistic(*scores)), Interval(float(low), float(high)))


def _drawn(scores: Scores, resamples: int, generator: np.random.Generator) -> Scores:
    """The matrix with seeds drawn anew within each task; (resample, seed, task)."""
    seeds = generator.integers(len(scores), size=(resamples, *scores.shape))
    return np.take_along_axis(scores[None], seeds, axis=1)
