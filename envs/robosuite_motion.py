"""Actions that move and turn the hand of robosuite's arm."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.floating[Any]]

LENGTH, ANGLE = 0.05, 0.5  # [m], [rad] At full deflection of an action's component.
UP = np.array([0.0, 0.0, 1.0])
_GAIN = 2.0


def displacement(offset: Vector) -> Vector:
    """Components of an action that move the hand by an offset; (3,)."""
    move: Vector = np.clip(_GAIN / LENGTH * offset, -1, 1)
    return move


def rotation(axes: Vector, fingers: Vector, approach: Vector) -> Vector:
    """Components of an action that turn the hand; (3,).

    Args:
        axes: The hand's x and y axes.
        fingers: Wanted x axis, along which the fingers open.
        approach: Wanted z axis, along which the hand points.
    """
    x, y = axes[:3], axes[3:]
    errors = (
        np.cross(x, fingers)
        + np.cross(y, np.cross(approach, fingers))
        + np.cross(np.cross(x, y), approach)
    )
    turn: Vector = np.clip(_GAIN / ANGLE * errors / 2, -1, 1)
    return turn


def upright(axes: Vector, heading: float) -> Vector:
    """Components of an action that turn the hand to point down at a heading; (3,)."""
    fingers = np.array([math.cos(heading), math.sin(heading), 0])
    return rotation(axes, fingers, -UP)


def heading_of(axes: Vector) -> float:
    """Direction of a body's x axis in the plane [rad]."""
    return math.atan2(axes[1], axes[0])
