"""Scripted experts of LIBERO's suites object and spatial: pick up, carry, release.

They have no memory: the poses of the hand, its fingers and the object determine the next
action.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.envs import libero_tasks
from robomtl.envs.libero_state import FINGERS, HAND, layout
from robomtl.task import Action, Observation

Vector = NDArray[np.float64]


class Grip(NamedTuple):
    """Grasp of a kind of object."""

    offset: tuple[float, float, float]
    """Position of the hand relative to the object's origin [m]."""
    width: float
    """Distance between the fingers when they hold the object [m]."""
    yaw: float = 0.0
    """Rotation of the hand about z [rad]; at 0 the fingers open along y."""


_GRIPS = {
    "alphabet_soup": Grip((0, 0, 0.015), 0.063),
    "tomato_sauce": Grip((0, 0, 0.015), 0.063),
    "cream_cheese": Grip((0, 0, 0.002), 0.043),
    "butter": Grip((0, 0, 0.002), 0.040),
    "chocolate_pudding": Grip((0, 0, 0.002), 0.046),
    "milk": Grip((0, 0, 0.035), 0.053),
    "orange_juice": Grip((0, 0, 0.035), 0.053),
    "salad_dressing": Grip((0, 0, 0.048), 0.053),
    "ketchup": Grip((0, 0, 0.048), 0.056),
    "bbq_sauce": Grip((0, 0, 0.025), 0.047),
    "akita_black_bowl": Grip((0, 0.045, 0.03), 0.012),
}


class Heights(NamedTuple):
    """Heights of the hand above the floor or the table [m]."""

    hover: float
    """Height while moving to the object."""
    carry: float
    """Height while carrying."""
    release: float
    """Height at the release."""


_HEIGHTS = {"object": Heights(0.25, 0.30, 0.18), "spatial": Heights(0.25, 0.30, 0.06)}
_DRAWER = 1.12  # [rad] Yaw of the fingers across the drawer of libero/spatial.
_IN_DRAWER = Grip(
    (-0.045 * np.sin(_DRAWER), 0.045 * np.cos(_DRAWER), 0.03), 0.012, _DRAWER
)
"""Grasp of a bowl in a drawer, where the fingers have no room at its front and back."""
_REACH, _TURN = 0.05, 0.5  # [m] and [rad] at full deflection.
_GAIN = 1.5  # The hand lags behind its commands.
_OVER = 0.03  # [m] Largest horizontal distance from the goal at the release.
_LOW = 0.02  # [m] Tolerance of the height of the release.
_APERTURE = 0.006  # [m] Tolerance of the fingers' distance while they hold an object.
OPEN, CLOSE = -1.0, 1.0


class LiberoExpert:
    """Expert of a task.

    Args:
        variant: Variant of the suite.
        task: Name of the task.
    """

    def __init__(self, variant: str, task: str) -> None:
        entry = libero_tasks.entries(variant)[task]
        original = {other: name for name, other in entry.replaced.items()}
        _, thing, goal = entry.goal[0].split()
        goal = goal.removesuffix("_contain_region")
        poses = layout(variant).poses
        self.thing = original.get(thing, thing)
        self._thing, self._goal = poses[self.thing], poses[original.get(goal, goal)]
        in_drawer = "in_the_top_drawer" in task
        self._grip = _IN_DRAWER if in_drawer else _GRIPS[self.thing.rpartition("_")[0]]
        half = self._grip.yaw / 2
        self._down = np.array([0, np.cos(half), np.sin(half), 0])
        self._heights = _HEIGHTS[variant.partition("-")[0]]

    def __call__(self, observation: Observation) -> Action:
        """Action for an observation, within [-1, 1]; (7,)."""
        state = observation["state"].astype(np.float64)
        hand, turn = state[HAND : HAND + 3], state[HAND + 3 : HAND + 7]
        aim, grip = self._next(state, hand)
        moved = np.clip(_GAIN * (aim - hand) / _REACH, -1, 1)
        turned = np.clip(_rotation(self._down, turn) / _TURN, -1, 1)
        action: Action = np.concatenate([moved, turned, [grip]]).astype(np.float32)
        return action

    def _next(self, state: Vector, hand: Vector) -> tuple[Vector, float]:
        """Next target position of the hand [m], and action of the gripper."""
        thing = state[self._thing : self._thing + 3]
        goal = state[self._goal : self._goal + 3]
        grasp = thing + np.array(self._grip.offset)
        floor = goal[2]
        aperture = state[FINGERS][0] - state[FINGERS][1]
        near = np.linalg.norm(hand - grasp) < 0.045
        held = near and aperture < self._grip.width + _APERTURE
        over = np.linalg.norm(thing[:2] - goal[:2]) < _OVER
        if over and not (held and hand[2] > floor + self._heights.release + _LOW):
            up = np.array([0, 0, 0.05]) if aperture > self._grip.width + 0.01 else 0
            return hand + up, OPEN
        if held:
            return self._carrying(hand, thing, goal), CLOSE
        return self._taking(hand, grasp, floor)

    def _carrying(self, hand: Vector, thing: Vector, goal: Vector) -> Vector:
        offset = goal[:2] - thing[:2]
        if np.linalg.norm(offset) < _OVER:
            return np.array([*(hand[:2] + offset), goal[2] + self._heights.release])
        high = goal[2] + self._heights.carry
        across = hand[2] > high - 0.04
        return np.array([*(hand[:2] + across * offset), high])

    def _taking(
        self, hand: Vector, grasp: Vector, floor: float
    ) -> tuple[Vector, float]:
        aside = float(np.linalg.norm(hand[:2] - grasp[:2]))
        if aside > 0.02 and hand[2] < grasp[2] + 0.08 or aside > 0.05:
            high = max(floor + self._heights.hover, grasp[2] + 0.07)
            target = grasp[:2] if hand[2] > high - 0.06 else hand[:2]
            return np.array([*target, high]), OPEN
        if aside > 0.008 and hand[2] > grasp[2] + 0.03:
            return np.array([*grasp[:2], max(hand[2], grasp[2] + 0.05)]), OPEN
        if hand[2] > grasp[2] + 0.008:
            return grasp, OPEN
        return grasp, CLOSE


def _rotation(target: Vector, current: Vector) -> Vector:
    """Rotation vector from the current to the target quaternion [rad]; (3,)."""
    w, x, y, z = current
    a, v = target[0], target[1:]
    b, u = w, -np.array([x, y, z])  # Inverse of the current quaternion.
    difference = np.array([a * b - v @ u, *(a * u + b * v + np.cross(v, u))])
    if difference[0] < 0:
        difference = -difference
    sine = float(np.linalg.norm(difference[1:]))
    angle = 2 * np.arctan2(sine, difference[0])
    turn: Vector = difference[1:] * (angle / sine if sine > 1e-9 else 2.0)
    return turn
