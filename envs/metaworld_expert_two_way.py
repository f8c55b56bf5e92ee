"""Experts that pass the wall of reach-wall-v3 and push-wall-v3 on either side.

Meta-World's own experts rise over the wall, or go round it on the left. These go round it,
left or right, close to the table, so that the mean of both ways runs into the wall. The side
follows from the last bits of the goal: it is the same whenever an episode is repeated, and no
network can tell it; see ``metaworld_walls``.
"""

import numpy as np
from numpy.typing import NDArray

from robomtl.envs.metaworld_walls import goes_right
from robomtl.task import Action, Observation

Vector = NDArray[np.float64]

# The wall reaches from -0.02 to 0.22 m in x and from 0.74 to 0.76 m in y. The hand, and what
# it holds, need about 0.08 m beside it.
_LEFT, _RIGHT = -0.12, 0.31
_BEFORE, _BEHIND = 0.68, 0.80
_BESIDE = 0.03  # As near to the line beside the wall as suffices to go on [m].
_LOW = 0.07  # Height at which the hand reaches [m].
_HELD = 0.045  # Height of the hand while it holds the puck [m].
_GRIP = 0.9  # A puck that is held less firmly is lost on the way.


class TwoWayExpert:
    """Goes round the wall on the side that the goal decides.

    Args:
        task: Name of the task, reach-wall-v3 or push-wall-v3.
    """

    def __init__(self, task: str) -> None:
        self._act = _push if task == "push-wall-v3" else _reach

    def __call__(self, observation: Observation) -> Action:
        """The expert's action, from a state that holds the goal; shape (4,)."""
        state = observation["state"]
        side = _RIGHT if goes_right(state[-3:]) else _LEFT
        action: Action = self._act(state.astype(np.float64), side).astype(np.float32)
        return action


def _reach(state: Vector, side: float) -> Vector:
    hand, goal = state[:3], state[-3:]
    way = _waypoint(hand, side)
    target = goal if way is None else np.array([*way, _LOW])
    return np.array([*_towards(hand, target), 0.0])


def _push(state: Vector, side: float) -> Vector:
    hand, puck, goal = state[:3], state[4:7] - [0.005, 0, 0], state[-3:]
    height = abs(hand[2] - puck[2])
    near = 0.05 if height < 0.05 else 0.02  # A puck that is held lags behind.
    over = bool(np.linalg.norm(hand[:2] - puck[:2]) <= near)
    grip = _GRIP if over and height <= 0.1 else 0.0
    if not over:
        return np.array([*_towards(hand, puck + [0, 0, 0.2]), grip])
    if height > 0.04:
        return np.array([*_towards(hand, puck + [0, 0, 0.03]), grip])
    way = _waypoint(puck, side)
    target = goal[:2] if way is None else way
    held = np.array([*puck[:2], hand[2]])
    return np.array([*_towards(held, np.array([*target, _HELD])), grip])


def _waypoint(place: Vector, side: float) -> Vector | None:
    """Where to go before the goal, (2,); None once the wall is passed."""
    if place[1] > _BEHIND - 0.02:
        return None
    aside = abs(place[0] - side)
    beside = aside < _BESIDE or aside < 0.1 < place[1] - 0.6
    return np.array([side, _BEHIND if beside else _BEFORE])


def _towards(place: Vector, target: Vector) -> Vector:
    """A movement in a straight line, at full speed until it is near; (3,)."""
    way = 10 * (target - place)
    return way / max(1.0, float(np.abs(way).max()))
