"""Expert of points, which moves straight to the goal, or pushes the ball to it."""

from dataclasses import dataclass

import numpy as np

from robomtl.envs.points_env import CONTACT, ROW, SPEED, THINGS, Vector
from robomtl.envs.points_tasks import AIMS
from robomtl.task import Action, Observation


@dataclass(frozen=True)
class PointsExpert:
    """Expert that moves straight to the goal, or behind the ball and then through it.

    Args:
        task: Name of the task.
    """

    task: str

    def __call__(self, observation: Observation) -> Action:
        """Action for an observation, within [-1, 1]; (2,)."""
        positions = observation["state"].astype(np.float64).reshape(len(THINGS), 2)
        aim = AIMS[self.task]
        point, goal = positions[ROW["point"]], positions[ROW[aim.goal]]
        if aim.thing == "ball":
            goal = _behind_or_through(point, positions[ROW["ball"]], goal)
        move = (goal - point) / SPEED
        action: Action = (move / max(1.0, np.abs(move).max())).astype(np.float32)
        return action


def _behind_or_through(point: Vector, ball: Vector, goal: Vector) -> Vector:
    """Next target position of the point to push the ball to the goal; (2,)."""
    target, current = _angle(goal - ball), _angle(ball - point)
    turn = (target - current + np.pi) % (2 * np.pi) - np.pi
    if abs(turn) < 0.3:
        return ball - 0.4 * CONTACT * _direction(target)
    return ball - 1.6 * CONTACT * _direction(current + np.clip(turn, -0.7, 0.7))


def _angle(offset: Vector) -> float:
    return float(np.arctan2(offset[1], offset[0]))


def _direction(angle: float) -> Vector:
    return np.array([np.cos(angle), np.sin(angle)])
