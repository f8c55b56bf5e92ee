"""Aggregates of scores over seeds of training and tasks, with intervals.

The definitions are those of rliable (R. Agarwal et al., Deep Reinforcement Learning at
the Edge of the Statistical Precipice, NeurIPS 2021, and its code): IQM as in
``aggregate_iqm``, probability of improvement as in ``probability_of_improvement``, and
percentile intervals of ``StratifiedBootstrap`` and ``StratifiedIndependentBootstrap``
without ``task_bootstrap``: seeds are drawn anew within each task, the tasks stay.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean  # type: ignore[import-untyped]

from robomtl.evaluation.statistics import Interval

Scores = NDArray[np.float64]
Statistic = Callable[..., Scores]

_BLOCK = 250  # Resamples held in memory at once.


def mean(scores: Scores) -> Scores:
    """The mean over seeds and tasks; (..., seed, task) -> (...)."""
    return scores.mean(axis=(-2, -1))


def iqm(scores: Scores) -> Scores:
    """The mean without the lowest and the highest quarter of all seeds' task scores.

    Args:
        scores: Success of each seed in each task; (..., seed, task).

    Returns:
        (...)
    """
    pooled = scores.reshape(*scores.shape[:-2], -1)
    return np.asarray(trim_mean(pooled, proportiontocut=0.25, axis=-1))


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


def bootstrap_interval(
    statistic: Statistic,
    *scores: Scores,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Percentiles of a statistic over seeds drawn anew within each task.

    Args:
        statistic: Of as many matrices as are given, in front of which axes may stand.
        *scores: Matrices, drawn independently of each other; (seed, task).
        confidence: How often such intervals are to hold the true value.
        resamples: How often seeds are drawn anew.
        seed: Of the draws.
    """
    generator = np.random.default_rng(seed)
    sizes = [min(_BLOCK, resamples - start) for start in range(0, resamples, _BLOCK)]
    blocks = [
        statistic(*(_drawn(matrix, size, generator) for matrix in scores))
        for size in sizes
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(blocks), [tail, 1 - tail])
    return Interval(float(low), float(high))


def _drawn(scores: Scores, resamples: int, generator: np.random.Generator) -> Scores:
    """The matrix with seeds drawn anew within each task; (resample, seed, task)."""
    seeds = generator.integers(len(scores), size=(resamples, *scores.shape))
    return np.take_along_axis(scores[None], seeds, axis=1)
