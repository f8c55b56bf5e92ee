"""Aggregates of scores over seeds of training and tasks.

The definitions are those of rliable (R. Agarwal et al., Deep Reinforcement Learning at
the Edge of the Statistical Precipice, NeurIPS 2021, and its code): IQM as in
``aggregate_iqm``, improvements as in ``probability_of_improvement``, before its mean. Its
intervals are not used: ``StratifiedBootstrap`` resamples seeds within each task, though
one policy serves all of them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean

from robomtl.evaluation.statistics import Interval

Rates = NDArray[np.float64]
"""Success rates by seed and task, or values derived from them; shapes as documented."""

_CUT = 0.25  # Fraction of all scores that is cut off at either end.


@dataclass(frozen=True)
class Estimate:
    """A point estimate and its confidence interval."""

    value: float
    interval: Interval


def iqm(scores: Rates) -> float:
    """The interquartile mean: without the lowest and highest quarter of all scores.

    Args:
        scores: Success of each seed in each task; (seed, task).
    """
    return float(trim_mean(scores, proportiontocut=_CUT, axis=None))


class Trimmed(NamedTuple):
    """Treatment of each score by the interquartile mean; (seed, task) each."""

    kept: Rates
    """Fraction of a score that is kept: 1 within the quartiles, 0 beyond."""
    clipped: Rates
    """Scores clipped to the quartiles."""


def trimmed(scores: Rates) -> Trimmed:
    """The fraction of each score that the interquartile mean keeps, and clipped scores.

    Args:
        scores: Success of each seed in each task; (seed, task).
    """
    pooled = np.sort(scores, axis=None)
    cut = int(_CUT * pooled.size)
    middle = pooled[cut : pooled.size - cut]
    values, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    left = np.searchsorted(middle, values, "left")
    fraction = (np.searchsorted(middle, values, "right") - left) / counts
    kept = fraction[inverse].reshape(scores.shape)
    clipped = np.clip(scores, middle[0], middle[-1])
    return Trimmed(kept, clipped)


def improvements(a: Rates, b: Rates) -> Rates:
    """Fraction of tasks in which a seed of A beats one of B, ties counting half.

    Args:
        a: Rates of A; (seed of A, task).
        b: Rates of B; (seed of B, task).

    Returns:
        Fraction for each pair of seeds; (seed of A, seed of B).
    """
    wins = np.sign(a[:, None] - b[None])
    return np.asarray((1 + wins.mean(axis=-1)) / 2)
