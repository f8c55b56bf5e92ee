"""What is kept of earlier resets of Meta-World's envs, so as not to simulate it again."""

from collections import OrderedDict
from typing import Any, Generic, TypeVar

import mujoco
import numpy as np

from robomtl.envs.metaworld_simulator import Vector

Key = TypeVar("Key")
Value = TypeVar("Value")

PHYSICS = mujoco.mjtState.mjSTATE_INTEGRATION
"""The part of MuJoCo's data that steps of physics depend on."""


def physics(model: Any, data: Any) -> Vector:
    """A copy of all in the data that the next step of physics depends on."""
    state = np.empty(mujoco.mj_stateSize(model, PHYSICS))
    mujoco.mj_getState(model, data, state, PHYSICS)
    return state


class Latest(Generic[Key, Value]):
    """Keeps values by key; when full, it drops the least recently used.

    Args:
        most: Number of values to keep.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value of a key, if it is kept."""
        value = self._kept.pop(key, None)
        if value is not None:
            self._kept[key] = value
        return value

    def put(self, key: Key, value: Value) -> None:
        """Keeps a value."""
        self._kept[key] = value
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)


# Each takes about 5 kB, and two of a task are of use again.
_HANDS: Latest[tuple[str, int, bytes, bytes, bytes], Vector] = Latest(256)


class RememberedHand:
    """Meta-World's reset of the hand, without the steps that were simulated before.

    A reset brings the hand to rest twice, each time in 50 steps: first with every body
    where the model has it, then where the variation puts it. So the first is always the
    same, and the second too unless the variation moves a body.
    """

    model: Any
    data: Any
    hand_init_pos: Vector

    def _reset_hand(self, steps: int = 50) -> None:
        model, data = self.model, self.data
        task = type(self).__name__  # Tasks of one model rest the hand in other places.
        # The positions of sites are left out, as Meta-World's act on nothing.
        where = self.hand_init_pos.tobytes()
        begun = where, physics(model, data).tobytes(), model.body_pos.tobytes()
        rested = _HANDS.get((task, steps, *begun))
        if rested is None:
            super()._reset_hand(steps - 1)  # type: ignore[misc]
            _HANDS.put((task, steps, *begun), physics(model, data))
        else:
            mujoco.mj_setState(model, data, rested, PHYSICS)
        # The last step is taken in any case: it fills the rest of the data.
        super()._reset_hand(1)  # type: ignore[misc]
