"""The area under a curve of success, against demonstrations or the magnitude of a shift."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def area(
    positions: Sequence[float],
    success: Sequence[NDArray[np.float64]],
    *,
    factor: bool = True,
) -> NDArray[np.float64]:
    """The normalised area under success: the mean height of the curve, from 0 to 1.

    nAUC = ∫ s(K) d log K / log(Kmax / Kmin), by the trapezoidal rule; without logarithms
    on a linear axis.

    Args:
        positions: Numbers of demonstrations or magnitudes, at least 2, ascending.
        success: Success at each position; (…) each.
        factor: Whether the axis is logarithmic, as for numbers of demonstrations, rather
            than linear.

    Returns:
        Area; (…).
    """
    at = np.asarray(positions, np.float64)
    at = np.log(at) if factor else at
    heights = np.stack(success, axis=-1)
    return np.asarray(np.trapezoid(heights, at, axis=-1) / (at[-1] - at[0]))


def area_weights(positions: Sequence[float], *, factor: bool = True) -> list[float]:
    """Weights of the success at each position in its ``area``; they add up to 1."""
    if len(positions) == 1:
        return [1.0]
    heights = list(np.eye(len(positions)))
    return [float(weight) for weight in area(positions, heights, factor=factor)]


def shots_for(
    target: float, shots: Sequence[int], success: Sequence[float]
) -> float | None:
    """Number of demonstrations at which success reaches a target; None if it does not.

    Success is interpolated linearly in the logarithm of the shots, and not extrapolated:
    where the fewest shots suffice, they are returned as an upper bound.

    Args:
        target: Target success.
        shots: Numbers of demonstrations, ascending.
        success: Success at each number.
    """
    if success[0] >= target:
        return float(shots[0])
    for index in range(1, len(shots)):
        low, high = success[index - 1], success[index]
        if high >= target:
            fraction = (target - low) / (high - low)
            before, after = math.log(shots[index - 1]), math.log(shots[index])
            return math.exp(before + fraction * (after - before))
    return None
