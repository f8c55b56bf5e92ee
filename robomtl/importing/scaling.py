"""Scales actions of other tools to [-1, 1]."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations.marks import ROUNDING
from robomtl.importing.survey import Range

_Declared = tuple[Sequence[float | None], Sequence[float | None]] | None


class Scale(NamedTuple):
    """Bounds of each action component that are mapped to -1 and 1."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __call__(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """The actions, scaled from the bounds to [-1, 1] and clipped; (frame, action).

        A component whose bounds are equal becomes 0.
        """
        width = self.high - self.low
        middle = (self.low + self.high) / 2
        scaled = (action - middle) / np.where(width > 0, width / 2, 1)
        return np.clip(scaled, -1, 1).astype(np.float32)


def needed_scale(recorded: Range, declared: _Declared) -> Scale | None:
    """The scaling of actions; None if all are within [-1, 1].

    Components within [-1, 1] are not changed. The others are scaled from the declared
    bounds if these are finite and contain all recorded values, else from the recorded ones.

    Args:
        recorded: Range of the recorded actions.
        declared: Least and largest action that the data set declares, by component; None
            if it declares none.
    """
    low, high = recorded.low.astype(np.float64), recorded.high.astype(np.float64)
    beyond = np.maximum(np.abs(low), np.abs(high)) > 1 + ROUNDING
    if not beyond.any():
        return None
    if declared is not None and all(len(each) == len(low) for each in declared):
        least, most = (_numbers(each) for each in declared)
        valid = np.isfinite(least) & np.isfinite(most) & (least <= low) & (high <= most)
        low, high = np.where(valid, least, low), np.where(valid, most, high)
    return Scale(np.where(beyond, low, -1.0), np.where(beyond, high, 1.0))


def _numbers(bounds: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if each is None else each for each in bounds], np.float64)
