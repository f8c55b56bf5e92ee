"""Linear probe: ridge regression from features to positions.

Source: Alain and Bengio 2017, "Understanding intermediate layers using linear classifier
probes" (arXiv:1610.01644), with ridge regression in place of a classifier. The coefficient of
determination on held-out episodes is

    R² = 1 - Σ |y - ŷ|² / Σ |y - ȳ|²,   with ȳ the mean of the fitted frames.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

STILL = 1e-3
"""Standard deviation below which a coordinate counts as fixed [in the states' unit]."""
_PENALTIES = np.logspace(-3, 6, 10, dtype=np.float64)  # For standardised features.
_CHOOSING = 0.25  # Fraction of the fitted episodes on which the penalty is selected.


class Errors(NamedTuple):
    """Squared errors on held-out episodes, summed over the frames of each episode."""

    residual: Numbers
    """Squared error of the linear map; (episode,)."""
    total: Numbers
    """Squared error of the mean of the fitted frames; (episode,)."""


def probe_errors(
    features: Numbers, wanted: Numbers, episode: NDArray[np.int64], fitted: int
) -> Errors | None:
    """Errors of a linear map that is fitted on the first episodes.

    The ridge penalty is selected on the last quarter of the fitted episodes, with the map
    fitted on the rest of them.

    Args:
        features: Features; (frame, feature).
        wanted: Coordinates to predict; (frame, coordinate).
        episode: Index of each frame's episode, from 0 and ascending; (frame,).
        fitted: Number of episodes to fit on, at least 2.

    Returns:
        Errors over the coordinates that vary in the fitted episodes; None if none does.
    """
    known = episode < fitted
    moves = wanted[known].std(0) > STILL
    if not moves.any():
        return None
    wanted = wanted[:, moves]
    inner = episode < fitted - max(round(_CHOOSING * fitted), 1)
    trials = _predicted(features, wanted, inner, _PENALTIES)
    left = known & ~inner
    losses = [np.square(each[left] - wanted[left]).sum() for each in trials]
    best = _PENALTIES[[int(np.argmin(losses))]]
    (predicted,) = _predicted(features, wanted, known, best)
    centre = wanted[known].mean(0)
    residual = np.square(wanted - predicted).sum(1)
    total = np.square(wanted - centre).sum(1)
    return Errors(*(_by_episode(each, episode)[fitted:] for each in (residual, total)))


def _by_episode(values: Numbers, episode: NDArray[np.int64]) -> Numbers:
    """Sums over the frames of each episode; (episode,)."""
    sums = np.zeros(int(episode.max()) + 1)
    np.add.at(sums, episode, values)
    return sums


def _predicted(
    features: Numbers,
    wanted: Numbers,
    known: NDArray[np.bool_],
    penalties: Numbers,
) -> list[Numbers]:
    """Predictions for all frames by ridge regression on the known ones, per penalty."""
    mean, spread = features[known].mean(0), features[known].std(0)
    scaled = (features - mean) / np.where(spread > 1e-6, spread, 1.0)
    centre = wanted[known].mean(0)
    left, values, right = np.linalg.svd(scaled[known], full_matrices=False)
    turned, seen = left.T @ (wanted[known] - centre), scaled @ right.T
    return [
        centre + seen @ (values[:, None] / (values**2 + each)[:, None] * turned)
        for each in penalties
    ]
