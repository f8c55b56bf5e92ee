"""Action components that move and rotate the hand of robosuite's arm."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.floating[Any]]

LENGTH, ANGLE = 0.05, 0.5  # [m], [rad] Full deflection of an action's component.
UP = np.array([0.0, 0.0, 1.0])
_GAIN = 2.0


def displacement(offset: Vector) -> Vector:
    """Action components that move the hand by an offset [m]; (3,)."""
    move: Vector = np.clip(_GAIN / LENGTH * offset, -1, 1)
    return move


def rotation(axes: Vector, fingers: Vector, approach: Vector) -> Vector:
    """Action components that rotate the hand; (3,).

    Args:
        axes: Current x and y axes of the hand; (6,).
        fingers: Target x axis, along which the fingers open; (3,).
        approach: Target z axis, along which the hand points; (3,).
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
    """Action components that rotate the hand to point down with a heading [rad]; (3,)."""
    fingers = np.array([math.cos(heading), math.sin(heading), 0])
    return rotation(axes, fingers, -UP)


def heading_of(axes: Vector) -> float:
    """Heading of a body: the direction of its x axis in the horizontal plane [rad]."""
    return math.atan2(axes[1], axes[0])
