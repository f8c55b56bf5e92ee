"""Variations of the tasks behind a wall: each start is demonstrated on both sides.

The variations ``2k`` and ``2k + 1`` of the split ``train`` start alike. Their goals differ in
the last bits, from which the experts of ``metaworld_expert_two_way`` take their side, so that
demonstrations of the same start, as far as any network reads it, pass the wall left and right.
"""

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.envs.metaworld_simulator import Vector
from robomtl.envs.metaworld_variations import TRAIN, Variations
from robomtl.splits import find_variation

WALL_TASKS = ("reach-wall-v3", "push-wall-v3")
"""Tasks in which a wall stands between the hand and the goal, and can be gone round."""


class TwoWayVariations(Variations):
    """Variations of a task behind a wall, of which those for training come in pairs."""

    def vector(self, variation: Any) -> Vector:
        """The vector that fixes the start of a variation [m]; shape (6,).

        Raises:
            ValueError: If no split holds the variation.
        """
        number = find_variation(self.splits, self.task, variation)
        if number not in TRAIN:
            return super().vector(number)
        vector = super().vector(number - number % 2)
        goal = vector[3:].astype(np.float32)
        while goes_right(goal) != bool(number % 2):
            goal[1] = np.nextafter(goal[1], np.float32(0))
        return np.concatenate([vector[:3], goal.astype(np.float64)])


def goes_right(goal: NDArray[np.float32]) -> bool:
    """Whether an expert passes the wall on the right, for a goal; (3,).

    Its height does not count, as push-wall-v3 puts goals on the table.
    """
    return bool(zlib.crc32(goal[:2].astype(np.float32).tobytes()) & 1)
