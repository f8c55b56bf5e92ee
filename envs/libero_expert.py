"""Scripted experts of LIBERO's suites object and spatial: pick up, carry, let go.

They have no memory: where the hand, its fingers and the thing are says what comes next.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.envs import libero_tasks
from robomtl.envs.libero_state import FINGERS, HAND, layout
from robomtl.task import Action, Observation

Vector = NDArray[np.float64]


class Grip(NamedTuple):
    """How a kind of thing is taken."""

    offset: tuple[float, float, float]
    """Where the hand takes it, from the thing's origin [m]."""
    width: float
    """Distance of the fingers that hold it [m]."""
    yaw: float = 0.0
    """Turn of the hand about z [rad]; without one the fingers are apart along y."""


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
    """Above the thing that it is about to take."""
    carry: float
    """While it carries."""
    release: float
    """Where it lets go."""


_HEIGHTS = {"object": Heights(0.25, 0.30, 0.18), "spatial": Heights(0.25, 0.30, 0.06)}
_DRAWER = 1.12  # [rad] The turn of the fingers across the drawer of libero/spatial.
_IN_DRAWER = Grip(
    (-0.045 * np.sin(_DRAWER), 0.045 * np.cos(_DRAWER), 0.03), 0.012, _DRAWER
)
"""A bowl between the front and the back of a drawer, where fingers have no room."""
_REACH, _TURN = 0.05, 0.5  # [m] and [rad] of an action of 1.
_GAIN = 1.5  # The hand lags behind what it is sent.
_OVER = 0.03  # [m] How far from the middle of the goal it lets go.
_LOW = 0.02  # [m] How far above its height it may let go.
_APERTURE = 0.006  # [m] Fingers this much wider than the thing do not hold it.
OPEN, CLOSE = -1.0, 1.0


class LiberoExpert:
    """The expert of a task.

    Args:
        variant: The suite's variant.
        task: Name of the task.
    """

    def __init__(self, variant: str, task: str) -> None:
        entry = libero_tasks.entries(variant)[task]
        stands_for = {other: name for name, other in entry.replaced.items()}
        _, thing, goal = entry.goal[0].split()
        goal = goal.removesuffix("_contain_region")
        places = layout(variant).poses
        self.thing = stands_for.get(thing, thing)
        self._thing, self._goal = places[self.thing], places[stands_for.get(goal, goal)]
        in_drawer = "in_the_top_drawer" in task
        self._grip = _IN_DRAWER if in_drawer else _GRIPS[self.thing.rpartition("_")[0]]
        half = self._grip.yaw / 2
        self._down = np.array([0, np.cos(half), np.sin(half), 0])
        self._heights = _HEIGHTS[variant.partition("-")[0]]

    def __call__(self, observation: Observation) -> Action:
        """The action for an observation, within [-1, 1]; (7,)."""
        state = observation["state"].astype(np.float64)
        hand, turn = state[HAND : HAND + 3], state[HAND + 3 : HAND + 7]
        aim, grip = self._next(state, hand)
        moved = np.clip(_GAIN * (aim - hand) / _REACH, -1, 1)
        turned = np.clip(_rotation(self._down, turn) / _TURN, -1, 1)
        action: Action = np.concatenate([moved, turned, [grip]]).astype(np.float32)
        return action

    def _next(self, state: Vector, hand: Vector) -> tuple[Vector, float]:
        """Where the hand goes now, and what the fingers do."""
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
        way = goal[:2] - thing[:2]
        if np.linalg.norm(way) < _OVER:
            return np.array([*(hand[:2] + way), goal[2] + self._heights.release])
        high = goal[2] + self._heights.carry
        across = hand[2] > high - 0.04
        return np.array([*(hand[:2] + across * way), high])

    def _taking(
        self, hand: Vector, grasp: Vector, floor: float
    ) -> tuple[Vector, float]:
        aside = float(np.linalg.norm(hand[:2] - grasp[:2]))
        if aside > 0.02 and hand[2] < grasp[2] + 0.08 or aside > 0.05:
            high = max(floor + self._heights.hover, grasp[2] + 0.07)
            way = grasp[:2] if hand[2] > high - 0.06 else hand[:2]
            return np.array([*way, high]), OPEN
        if aside > 0.008 and hand[2] > grasp[2] + 0.03:
            return np.array([*grasp[:2], max(hand[2], grasp[2] + 0.05)]), OPEN
        if hand[2] > grasp[2] + 0.008:
            return grasp, OPEN
        return grasp, CLOSE


def _rotation(wanted: Vector, now: Vector) -> Vector:
    """Axis times angle [rad] of the turn from one orientation to another; (3,)."""
    w, x, y, z = now
    a, v = wanted[0], wanted[1:]
    b, u = w, -np.array([x, y, z])  # The inverse of what is.
    difference = np.array([a * b - v @ u, *(a * u + b * v + np.cross(v, u))])
    if difference[0] < 0:
        difference = -difference
    sine = float(np.linalg.norm(difference[1:]))
    angle = 2 * np.arctan2(sine, difference[0])
    turn: Vector = difference[1:] * (angle / sine if sine > 1e-9 else 2.0)
    return turn
