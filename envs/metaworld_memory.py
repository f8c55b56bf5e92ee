"""Caches of earlier resets of Meta-World's envs, which save their simulation."""

from collections import OrderedDict
from typing import Any, Generic, TypeVar

import mujoco
import numpy as np

from robomtl.envs.metaworld_simulator import Vector

Key = TypeVar("Key")
Value = TypeVar("Value")

PHYSICS = mujoco.mjtState.mjSTATE_INTEGRATION
"""Components of MuJoCo's state that steps of physics depend on."""


def physics(model: Any, data: Any) -> Vector:
    """Copy of the state that the next step of physics depends on."""
    state = np.empty(mujoco.mj_stateSize(model, PHYSICS))
    mujoco.mj_getState(model, data, state, PHYSICS)
    return state


class Latest(Generic[Key, Value]):
    """Cache that drops the least recently used value when full.

    Args:
        most: Largest number of values.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """Value of a key; None if it is not cached."""
        value = self._kept.pop(key, None)
        if value is not None:
            self._kept[key] = value
        return value

    def put(self, key: Key, value: Value) -> None:
        """Stores a value."""
        self._kept[key] = value
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)


# Each needs about 5 kB; two of each task are reused.
_HANDS: Latest[tuple[str, int, bytes, bytes, bytes], Vector] = Latest(256)


class RememberedHand:
    """Mixin with Meta-World's reset of the hand, cached.

    A reset brings the hand to rest twice, each time in 50 steps: first with all bodies at
    their positions in the model, then at those of the variation. The first is always the
    same; the second is too, unless the variation moves a body.
    """

    model: Any
    data: Any
    hand_init_pos: Vector

    def _reset_hand(self, steps: int = 50) -> None:
        model, data = self.model, self.data
        task = type(
            self
        ).__name__  # Tasks with the same model differ in the resting position.
        # Positions of sites are left out, as Meta-World's sites have no effect.
        position = self.hand_init_pos.tobytes()
        begun = position, physics(model, data).tobytes(), model.body_pos.tobytes()
        rested = _HANDS.get((task, steps, *begun))
        if rested is None:
            super()._reset_hand(steps - 1)  # type: ignore[misc]
            _HANDS.put((task, steps, *begun), physics(model, data))
        else:
            mujoco.mj_setState(model, data, rested, PHYSICS)
        # The last step is always simulated, as it computes the rest of the data.
        super()._reset_hand(1)  # type: ignore[misc]
