"""Actions of other tools, brought within [-1, 1]."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations.marks import ROUNDING
from robomtl.importing.survey import Range

_Declared = tuple[Sequence[float | None], Sequence[float | None]] | None


class Scale(NamedTuple):
    """Bounds that become -1 and 1, for each component of an action."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __call__(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """The actions between the bounds, as within [-1, 1]; (frame, action).

        A component that never changes becomes 0.
        """
        width = self.high - self.low
        middle = (self.low + self.high) / 2
        scaled = (action - middle) / np.where(width > 0, width / 2, 1)
        return np.clip(scaled, -1, 1).astype(np.float32)


def needed_scale(recorded: Range, declared: _Declared) -> Scale | None:
    """How actions are scaled; None if all lie within [-1, 1].

    Components within [-1, 1] stay as they are. Others have the declared bounds where those
    are finite and hold all that was recorded, and else the recorded ones.

    Args:
        recorded: The recorded actions.
        declared: Least and largest action by the data set, of each component.
    """
    low, high = recorded.low.astype(np.float64), recorded.high.astype(np.float64)
    beyond = np.maximum(np.abs(low), np.abs(high)) > 1 + ROUNDING
    if not beyond.any():
        return None
    if declared is not None and all(len(each) == len(low) for each in declared):
        least, most = (_numbers(each) for each in declared)
        holds = np.isfinite(least) & np.isfinite(most) & (least <= low) & (high <= most)
        low, high = np.where(holds, least, low), np.where(holds, most, high)
    return Scale(np.where(beyond, low, -1.0), np.where(beyond, high, 1.0))


def _numbers(bounds: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if each is None else each for each in bounds], np.float64)
