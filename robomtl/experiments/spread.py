"""Intervals and p-values of a mean from the components of its variance.

The half width of an interval is the root of the signed sum over the components of their
variance times the square of a quantile of Student's t with the component's degrees of
freedom; the quantile is normal where trials are among the component's axes.

An interval is at least half as wide as for independent trials, since the estimate may
vanish where seeds agree by chance; where only trials vary, it is at least as wide.

Source: M. R. Mickey, M. B. Brown, Ann. Math. Stat. 37 (1966), 639-642.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from robomtl.evaluation.statistics import Interval, rate_interval

_Floats = NDArray[np.float64]

_LEAST = 0.5  # Fraction of the half width for independent trials.
_LEVELS = np.geomspace(
    1e-9, 1.0, 1000
)  # Levels between which p-values are interpolated.


@dataclass(frozen=True)
class Part:
    """A component of a variance: the mean square of a set of axes over its cells.

    Components of several tasks are added up.
    """

    axes: tuple[int, ...]
    variance: float
    freedom: float
    """Degrees of freedom; infinite where trials are among the axes."""

    @property
    def sign(self) -> int:
        """Sign of the component in the variance of the mean."""
        return 1 if len(self.axes) % 2 else -1


@dataclass(frozen=True)
class Spread:
    """Uncertainty of a mean."""

    parts: tuple[Part, ...]
    """Components of the variance of the mean."""
    alone: float
    """Variance that the mean would have if all trials were independent."""
    least: float = _LEAST
    """Least half width where seeds vary, as a fraction of that for independent trials."""

    def half_width(self, confidence: float) -> float:
        """Half width of the confidence interval of the mean."""
        level = np.array([1 - confidence])
        quantiles = {
            part.freedom: _quantiles(part.freedom, level) for part in self.parts
        }
        normal = _quantiles(np.inf, level)
        return float(np.sqrt(self._squares(quantiles, normal)[0]))

    def p_value(self, difference: float) -> float:
        """The smallest level at which the interval around a difference excludes 0."""
        quantiles = {part.freedom: _tabulated(part.freedom) for part in self.parts}
        squares = self._squares(quantiles, _tabulated(np.inf))
        return float(np.interp(-(difference**2), -squares, _LEVELS))

    def _squares(self, quantiles: Mapping[float, _Floats], normal: _Floats) -> _Floats:
        """Squares of half widths, at the level of each quantile."""
        trained = any(np.isfinite(part.freedom) for part in self.parts)
        varies = any(part.variance > 0 for part in self.parts)
        least = (self.least if trained and varies else 1.0) * normal
        total = sum(
            (p.sign * p.variance * quantiles[p.freedom] ** 2 for p in self.parts),
            np.zeros_like(normal),
        )
        return np.asarray(np.maximum(total, least**2 * self.alone))


def summed(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Components, those of the same axes added up, with Welch's degrees of freedom.

    Args:
        parts: Components of independent samples.
    """
    every: dict[tuple[int, ...], list[Part]] = {}
    for part in parts:
        every.setdefault(part.axes, []).append(part)
    return tuple(
        Part(
            axes,
            sum(part.variance for part in some),
            pooled_freedom([(part.variance, part.freedom) for part in some]),
        )
        for axes, some in every.items()
    )


def spread_interval(
    mean: float,
    parts: tuple[Part, ...],
    trials: float,
    confidence: float,
    *,
    least: float = _LEAST,
) -> Interval:
    """Confidence interval of a mean that is between 0 and 1.

    Args:
        mean: Observed mean.
        parts: Components of its variance.
        trials: Effective number of independent trials.
        confidence: Nominal coverage of the interval.
        least: Least width where seeds vary, as a fraction of that for these trials.
    """
    single = mean * (1 - mean)
    if not single:
        return rate_interval(mean, trials, confidence)
    half = Spread(parts, single / trials, least).half_width(confidence)
    normal = float(_quantiles(np.inf, np.array([1 - confidence]))[0])
    return rate_interval(mean, single * (normal / half) ** 2, confidence)


def pooled_freedom(squares: Sequence[tuple[float, float]]) -> float:
    """Satterthwaite's degrees of freedom of a sum; rounded, so that few values occur."""
    total = sum(square for square, _ in squares)
    if not total:
        return float(sum(freedom for _, freedom in squares))
    below = sum(square**2 / freedom for square, freedom in squares)
    return round(total**2 / below, 1) if below else np.inf


def _quantiles(freedom: float, levels: _Floats) -> _Floats:
    """Two-sided quantiles of the t distribution."""
    return np.asarray(-stdtrit(freedom, levels / 2), np.float64)


@lru_cache(maxsize=1024)
def _tabulated(freedom: float) -> _Floats:
    return _quantiles(freedom, _LEVELS)
