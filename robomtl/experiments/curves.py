"""The area under a curve of success against the number of demonstrations."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def area(
    shots: Sequence[int], success: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """The normalised area under success against the logarithm of the shots.

    nAUC = ∫ s(K) d log K / log(Kmax / Kmin), by trapezoids: the mean height of the curve,
    from 0 to 1.

    Args:
        shots: Numbers of demonstrations, at least 2, rising.
        success: At each of them; (…).

    Returns:
        (…)
    """
    at = np.log(np.asarray(shots, np.float64))
    heights = np.stack(success, axis=-1)
    return np.asarray(np.trapezoid(heights, at, axis=-1) / (at[-1] - at[0]))


def area_weights(shots: Sequence[int]) -> list[float]:
    """The weight of success at each number of shots in the area; they add up to 1."""
    if len(shots) == 1:
        return [1.0]
    return [float(weight) for weight in area(shots, list(np.eye(len(shots))))]


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
