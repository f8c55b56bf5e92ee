"""Scripted experts of ManiSkill's tasks, without memory of earlier steps."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from robomtl.envs.robosuite_expert import Delivery, Grasp, PickExpert
from robomtl.envs.robosuite_motion import (
    ANGLE,
    LENGTH,
    Vector,
    displacement,
    heading_of,
    upright,
)
from robomtl.envs.robosuite_scene import HAND_AXES, HAND_TO_GRIP, OBJECT_TO_TARGET
from robomtl.task import Action, Expert, Observation

_LENGTH, _ANGLE = 0.1, 0.1  # [m], [rad] Full deflection of ``pd_ee_delta_pose``.
_SCALE = np.array([LENGTH / _LENGTH] * 3 + [ANGLE / _ANGLE] * 3 + [-1.0])


@dataclass(frozen=True)
class Converted:
    """Expert for robosuite's actions, converted to ManiSkill's actions.

    ManiSkill's gripper opens at positive numbers. The layout of states is the same.

    Args:
        expert: Expert with robosuite's actions.
    """

    expert: Expert

    def __call__(self, observation: Observation) -> Action:
        """Action for an observation, within [-1, 1]; (7,)."""
        action = _SCALE * self.expert(observation)
        return np.clip(action, -1, 1).astype(np.float32)


@dataclass(frozen=True)
class HoldExpert(PickExpert):
    """Grasps an object, carries it to its target in the air, and holds it there."""

    def _carry(self, state: Vector) -> Action:
        axes = state[HAND_AXES]
        turn = upright(axes, heading_of(axes))
        return np.concatenate(
            [displacement(state[OBJECT_TO_TARGET]), turn, [1.0]]
        ).astype(np.float32)


@dataclass(frozen=True)
class PushExpert:
    """Descends behind an object with closed fingers, and pushes it to its target."""

    behind: float = 0.06
    """Distance from the object's centre at which the hand descends [m]."""

    def __call__(self, observation: Observation) -> Action:
        """Action for an observation, in robosuite's scale; (7,)."""
        state = observation["state"].astype(np.float64)
        direction = state[OBJECT_TO_TARGET] * [1, 1, 0]
        direction /= max(float(np.linalg.norm(direction)), 1e-6)
        offset, axes = state[HAND_TO_GRIP], state[HAND_AXES]
        ahead = float(offset @ direction)
        aside = (offset - ahead * direction) * [1, 1, 0]
        low = offset[2] > -0.02
        if low and ahead > 0.02 and float(np.linalg.norm(aside)) < 0.02:
            move = displacement(aside + 0.03 * direction + [0, 0, offset[2]])
        else:
            start = aside + (ahead - self.behind) * direction
            far = math.hypot(start[0], start[1])
            hover = np.clip(3 * (far - 0.01), 0, 0.08)
            move = displacement(start + [0, 0, offset[2] + hover])
        turn = upright(axes, heading_of(axes))
        return np.concatenate([move, turn, [1.0]]).astype(np.float32)


EXPERTS: Mapping[str, Expert] = MappingProxyType(
    {
        "PickCube-v1": Converted(HoldExpert(Grasp(gap=0.0435, folds=4))),
        "StackCube-v1": Converted(
            PickExpert(
                Grasp(gap=0.0435, folds=4),
                Delivery(release=0.043, carry=0.05, near=0.012),
            )
        ),
        "PushCube-v1": Converted(PushExpert()),
        "PullCube-v1": Converted(PushExpert()),
    }
)
"""Experts by name of the task."""
