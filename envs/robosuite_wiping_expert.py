"""Scripted expert of robosuite's Wipe, without memory of earlier steps."""

import math
from dataclasses import dataclass

import numpy as np

from robomtl.envs.robosuite_motion import LENGTH, upright
from robomtl.envs.robosuite_wiping import HAND_AXES, HAND_TO_DIRT, HAND_TO_MARKERS
from robomtl.task import Action, Observation

_HEADING = math.pi / 2  # [rad] Heading of the tool at the start; its long side is y.


@dataclass(frozen=True, kw_only=True)
class WipeExpert:
    """Expert that moves to the nearest remaining marker, and presses on the table there."""

    near: float = 0.04
    """Distance from a marker within which the tool presses [m]."""
    depth: float = 0.01
    """Depth below the table to which the tool presses [m]."""
    hover: float = 0.05
    """Largest height of the tool on its way to a marker [m]."""

    def __call__(self, observation: Observation) -> Action:
        """Action for an observation, within [-1, 1]; (6,)."""
        state = observation["state"].astype(np.float64)
        offset = state[HAND_TO_MARKERS][:2]
        far = math.hypot(offset[0], offset[1])
        lift = min(2 * (far - self.near), self.hover)
        height = lift if lift > 0 else -self.depth
        move = np.array([*offset, state[HAND_TO_DIRT][2] + height]) / LENGTH
        move[:2] /= max(far / LENGTH, 1)
        turn = upright(state[HAND_AXES], _HEADING)
        return np.concatenate([move.clip(-1, 1), turn]).astype(np.float32)
