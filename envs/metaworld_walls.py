"""Variations of tasks with a wall, in which demonstrations of a start pass on both sides.

The variations ``2k`` and ``2k + 1`` of the split ``train`` have the same start, except for
the last bits of the goal, which determine the side of the experts of
``metaworld_expert_two_way``. Networks cannot distinguish the two starts, of which one is
demonstrated on the left of the wall and the other on the right.
"""

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.envs.metaworld_simulator import Vector
from robomtl.envs.metaworld_variations import TRAIN, Variations
from robomtl.splits import find_variation

WALL_TASKS = ("reach-wall-v3", "push-wall-v3")
"""Tasks with a wall between the hand and the goal that the hand can go around."""


class TwoWayVariations(Variations):
    """Variations of a task with a wall; training variations come in pairs."""

    def vector(self, variation: Any) -> Vector:
        """Vector of the initial positions of a variation [m]; (6,).

        Raises:
            ValueError: If no split has the variation.
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
    """Whether the expert passes the wall on the right for a goal (3,).

    The height of the goal is ignored, as push-wall-v3 puts goals on the table.
    """
    return bool(zlib.crc32(goal[:2].astype(np.float32).tobytes()) & 1)
