"""The expert of points: straight to the goal, or behind the ball and through it."""

from dataclasses import dataclass

import numpy as np

from robomtl.envs.points_env import CONTACT, ROW, SPEED, THINGS, Vector
from robomtl.envs.points_tasks import AIMS
from robomtl.task import Action, Observation


@dataclass(frozen=True)
class PointsExpert:
    """Goes straight to the goal, or behind the ball and then through it.

    Args:
        task: Name of the task.
    """

    task: str

    def __call__(self, observation: Observation) -> Action:
        """The action towards the goal, within [-1, 1]; shape (2,)."""
        places = observation["state"].astype(np.float64).reshape(len(THINGS), 2)
        aim = AIMS[self.task]
        point, goal = places[ROW["point"]], places[ROW[aim.goal]]
        if aim.thing == "ball":
            goal = _behind_or_through(point, places[ROW["ball"]], goal)
        way = (goal - point) / SPEED
        action: Action = (way / max(1.0, np.abs(way).max())).astype(np.float32)
        return action


def _behind_or_through(point: Vector, ball: Vector, goal: Vector) -> Vector:
    """Where the point should go next so that the ball comes to the goal; (2,)."""
    wanted, seen = _angle(goal - ball), _angle(ball - point)
    turn = (wanted - seen + np.pi) % (2 * np.pi) - np.pi
    if abs(turn) < 0.3:
        return ball - 0.4 * CONTACT * _direction(wanted)
    return ball - 1.6 * CONTACT * _direction(seen + np.clip(turn, -0.7, 0.7))


def _angle(way: Vector) -> float:
    return float(np.arctan2(way[1], way[0]))


def _direction(angle: float) -> Vector:
    return np.array([np.cos(angle), np.sin(angle)])
