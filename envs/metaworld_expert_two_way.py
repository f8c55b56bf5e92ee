"""Bimodal experts of reach-wall-v3 and push-wall-v3, which pass the wall on either side.

Meta-World's own experts move over the wall, or pass it on the left. These pass it on the
left or right, close to the table, so that the mean of both trajectories hits the wall. The
side follows from the last bits of the goal, so that it is reproducible for an episode, but
no network can predict it; see ``metaworld_walls``.
"""

import numpy as np
from numpy.typing import NDArray

from robomtl.envs.metaworld_walls import goes_right
from robomtl.task import Action, Observation

Vector = NDArray[np.float64]

# The wall extends from -0.02 to 0.22 m in x and from 0.74 to 0.76 m in y. The hand, with an
# object in it, needs about 0.08 m beside the wall.
_LEFT, _RIGHT = -0.12, 0.31
_BEFORE, _BEHIND = 0.68, 0.80
_BESIDE = 0.03  # Distance from the line beside the wall at which the hand goes on [m].
_LOW = 0.07  # Height of the hand in reach-wall-v3 [m].
_HELD = 0.045  # Height of the hand while it holds the puck [m].
_GRIP = 0.9  # With less effort, the puck slips out of the gripper.


class TwoWayExpert:
    """Expert that passes the wall on a side that the goal determines.

    Args:
        task: Name of the task, reach-wall-v3 or push-wall-v3.
    """

    def __init__(self, task: str) -> None:
        self._act = _push if task == "push-wall-v3" else _reach

    def __call__(self, observation: Observation) -> Action:
        """Action for a state that shows the goal; (4,)."""
        state = observation["state"]
        side = _RIGHT if goes_right(state[-3:]) else _LEFT
        action: Action = self._act(state.astype(np.float64), side).astype(np.float32)
        return action


def _reach(state: Vector, side: float) -> Vector:
    hand, goal = state[:3], state[-3:]
    waypoint = _waypoint(hand, side)
    target = goal if waypoint is None else np.array([*waypoint, _LOW])
    return np.array([*_towards(hand, target), 0.0])


def _push(state: Vector, side: float) -> Vector:
    hand, puck, goal = state[:3], state[4:7] - [0.005, 0, 0], state[-3:]
    height = abs(hand[2] - puck[2])
    near = 0.05 if height < 0.05 else 0.02  # A grasped puck lags behind the hand.
    over = bool(np.linalg.norm(hand[:2] - puck[:2]) <= near)
    grip = _GRIP if over and height <= 0.1 else 0.0
    if not over:
        return np.array([*_towards(hand, puck + [0, 0, 0.2]), grip])
    if height > 0.04:
        return np.array([*_towards(hand, puck + [0, 0, 0.03]), grip])
    waypoint = _waypoint(puck, side)
    target = goal[:2] if waypoint is None else waypoint
    held = np.array([*puck[:2], hand[2]])
    return np.array([*_towards(held, np.array([*target, _HELD])), grip])


def _waypoint(position: Vector, side: float) -> Vector | None:
    """Next waypoint around the wall [m], (2,); None once the wall is passed."""
    if position[1] > _BEHIND - 0.02:
        return None
    aside = abs(position[0] - side)
    beside = aside < _BESIDE or aside < 0.1 < position[1] - 0.6
    return np.array([side, _BEHIND if beside else _BEFORE])


def _towards(position: Vector, target: Vector) -> Vector:
    """Action straight towards a target, at full deflection until close to it; (3,)."""
    move = 10 * (target - position)
    return move / max(1.0, float(np.abs(move).max()))
