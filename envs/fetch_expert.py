"""Scripted experts of the Fetch tasks, without memory of earlier steps.

The gripper moves straight to its next target position. Sliding has its own module,
``robomtl.envs.fetch_slide``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from robomtl.envs.fetch_slide import slide
from robomtl.envs.fetch_tasks import FINGERS, GOAL, GRIPPER, OBJECT, Vector
from robomtl.features import STATE
from robomtl.task import Action, Observation

_GAIN = 12  # Full deflection at 8 cm: a step takes the gripper about 3 cm at most.
_LOW = 0.418  # Height of the gripper beside the cube [m].
_AROUND = 0.085  # Distance from the cube's centre while the gripper goes round it [m].
_CLEAR = 0.08  # Height above the cube from which the gripper comes down on it [m].
_HELD = 0.0525  # Opening of the fingers at which they hold the cube, 5 cm wide [m].


def _towards(displacement: Vector, gripper: float = 0.0) -> Vector:
    return np.append(np.clip(displacement * _GAIN, -1, 1), gripper)


def _reach(state: Vector) -> Vector:
    return _towards(state[GOAL] - state[GRIPPER])


def _push(state: Vector) -> Vector:
    """Moves around the cube until behind it, and pushes it to the goal."""
    hand, cube = state[GRIPPER], state[OBJECT]
    path, offset = (state[GOAL] - cube)[:2], (cube - hand)[:2]
    if np.linalg.norm(path) < 0.015:
        return np.zeros(4)
    target, current = np.arctan2(path[1], path[0]), np.arctan2(offset[1], offset[0])
    turn = (target - current + np.pi) % (2 * np.pi) - np.pi
    touches = np.linalg.norm(offset) < 0.07
    direction = np.array([np.cos(target), np.sin(target)])
    if abs(turn) < (0.5 if touches else 0.12):
        aside = offset - (offset @ direction) * direction
        step = min(float(np.linalg.norm(path)), 0.05) * direction + aside
    else:
        angle = current + np.clip(turn, -0.5, 0.5)
        step = offset - _AROUND * np.array([np.cos(angle), np.sin(angle)])
    return _towards(np.append(step, _LOW - hand[2]))


def _pick_and_place(state: Vector) -> Vector:
    """Opens the fingers above the cube, closes them around it, and carries it."""
    hand, cube = state[GRIPPER], state[OBJECT]
    offset = cube - hand
    if np.linalg.norm(offset[:2]) > 0.02:
        offset[2] += _CLEAR if offset[2] > -_CLEAR else 0.06
        return _towards(offset, gripper=1)
    if offset[2] < -0.02:
        return _towards(offset, gripper=1)
    if state[FINGERS].sum() > _HELD:
        return _towards(offset, gripper=-1)
    return _towards(state[GOAL] - cube, gripper=-1)


_EXPERTS: dict[str, Callable[[Vector], Vector]] = {
    "reach": _reach,
    "push": _push,
    "slide": slide,
    "pick-and-place": _pick_and_place,
}


@dataclass(frozen=True)
class FetchExpert:
    """Expert of a task, by rules on the current state.

    Args:
        task: Name of the task.
    """

    task: str

    def __call__(self, observation: Observation) -> Action:
        """Action for an observation, within [-1, 1]; (4,)."""
        act = _EXPERTS[self.task](observation[STATE].astype(np.float64))
        clipped: Action = np.clip(act, -1, 1).astype(np.float32)
        return clipped
