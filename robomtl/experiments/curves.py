"""The area under a curve of success, against demonstrations or the magnitude of a shift."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def area(
    places: Sequence[float],
    success: Sequence[NDArray[np.float64]],
    *,
    factor: bool = True,
) -> NDArray[np.float64]:
    """The normalised area under success: the mean height of the curve, from 0 to 1.

    nAUC = ∫ s(K) d log K / log(Kmax / Kmin), by trapezoids; without logarithms where the
    places are no factors.

    Args:
        places: Numbers of demonstrations or magnitudes, at least 2, rising.
        success: At each of them; (…).
        factor: Whether places are apart by their ratio, as numbers of demonstrations are,
            rather than by their difference.

    Returns:
        (…)
    """
    at = np.asarray(places, np.float64)
    at = np.log(at) if factor else at
    heights = np.stack(success, axis=-1)
    return np.asarray(np.trapezoid(heights, at, axis=-1) / (at[-1] - at[0]))


def area_weights(places: Sequence[float], *, factor: bool = True) -> list[float]:
    """The weight of success at each place in the area; they add up to 1. See ``area``."""
    if len(places) == 1:
        return [1.0]
    heights = list(np.eye(len(places)))
    return [float(weight) for weight in area(places, heights, factor=factor)]


def shots_for(
    wanted: float, shots: Sequence[int], success: Sequence[float]
) -> float | None:
    """How many demonstrations it takes to succeed so often; None if no number did.

    Between two numbers the curve is taken to be straight in the logarithm of the shots.
    Nothing is said beyond them: where the fewest suffice, the answer is these, and is
    an upper bound.

    Args:
        wanted: Success to reach.
        shots: Numbers of demonstrations, rising.
        success: At each of them.
    """
    if success[0] >= wanted:
        return float(shots[0])
    for place in range(1, len(shots)):
        low, high = success[place - 1], success[place]
        if high >= wanted:
            part = (wanted - low) / (high - low)
            before, after = math.log(shots[place - 1]), math.log(shots[place])
            return math.exp(before + part * (after - before))
    return None
