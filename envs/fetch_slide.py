"""Scripted expert that slides the puck to a goal, within the gripper's reach or beyond it.

The direction of a hit depends on the faces of the closed fingers and on the tilt of the
puck, so a single hit from the initial position misses most goals. The expert therefore
presses the fingers onto the puck from above and drags it:

1. To the goal, if it is within reach.
2. Else to a tee straight in front of the goal. From there a hit along x, by the middle of
   one finger, sends it straight ahead, at a speed for which friction stops it at the goal.

Constants were tuned by hand on variations of the split ``train``.
"""

from typing import NamedTuple

import numpy as np

from robomtl.envs.fetch_tasks import (
    GOAL,
    GRIPPER,
    GRIPPER_VELOCITY,
    OBJECT,
    OBJECT_VELOCITY,
    Vector,
)

_STEP = 0.04  # Duration of a step [s].
_REACH = 1.28  # x of the farthest goal to which the gripper drags the puck [m].
_TEE = 1.14  # x from which the puck is hit [m].
_BEHIND = 0.01  # Distance behind the puck's centre of the first contact [m].
_PRESSED = 0.425  # Target height of the gripper while it presses the puck down [m].
_AHEAD = 0.03  # Time by which the puck's position is extrapolated [s].
_SLOW = 0.15  # Largest speed at which the puck may be released [m/s].
_OVER = 0.48  # Height at which the gripper passes over the puck [m].
_LOW = 0.425  # Height of the gripper before and during a hit [m].
_ASIDE = 0.0125  # Lateral offset, so that one finger hits the puck, not the gap [m].
_RUN_UP = 0.059  # Run-up, so that the gripper is fastest at the contact [m].
_POWER = 1.16  # Deflection of a hit per square root of its distance [m^-0.5].
_BEYOND = 0.03  # Distance added to a hit, as a puck that stops short fails [m].


class _Scene(NamedTuple):
    """Quantities of a state; positions in m, velocities in m/s."""

    hand: Vector
    puck: Vector
    goal: Vector
    hand_velocity: Vector
    puck_velocity: Vector

    @property
    def offset(self) -> Vector:
        """Displacement from the hand to the puck, along x and y [m]."""
        return (self.puck - self.hand)[:2]

    @property
    def over(self) -> bool:
        """Whether the hand is above the puck, low enough to drag it."""
        return bool(np.linalg.norm(self.offset) < 0.034 and self.hand[2] < 0.467)

    @property
    def far(self) -> bool:
        """Whether the goal is out of reach."""
        return bool(self.goal[0] > _REACH)

    @property
    def path(self) -> Vector:
        """Displacement from the puck to the target of its drag, along x and y [m]."""
        x = _TEE if self.far else self.goal[0]
        return (
            np.array([x, self.goal[1]])
            - self.puck[:2]
            - _AHEAD * self.puck_velocity[:2]
        )


def _scene(state: Vector) -> _Scene:
    hand_velocity = state[GRIPPER_VELOCITY] / _STEP
    return _Scene(
        hand=state[GRIPPER],
        puck=state[OBJECT],
        goal=state[GOAL],
        hand_velocity=hand_velocity,
        puck_velocity=state[OBJECT_VELOCITY] / _STEP + hand_velocity,
    )


def _go(hand: Vector, x: float, y: float, z: float) -> Vector:
    return np.append((np.array([x, y, z]) - hand) * 13, 0)


def _hitting(scene: _Scene) -> bool:
    """Whether the hand is on its run-up to the puck or has just touched it."""
    along, aside = scene.offset
    return bool(
        scene.puck[0] > _TEE - 0.1
        and abs(scene.path[1]) < 0.05
        and scene.hand_velocity[0] > 0.2
        and scene.hand[2] < _LOW + 0.025
        and 0.02 < along < 0.06
        and abs(aside) < 0.03
    )


def _on_its_way(scene: _Scene) -> bool:
    """Whether the puck has been hit, so that the hand has nothing more to do."""
    along, aside = scene.offset
    speed, drift = scene.puck_velocity[:2]
    hit = speed > 0.25 and along > 0.03 and abs(aside) < 0.03 and abs(drift) < 0.2
    hit = hit and abs(scene.path[1]) < 0.05
    return bool(hit or scene.puck[0] > 1.33)


def _placed(scene: _Scene) -> bool:
    """Whether the puck is at the target of its drag; the tolerance grows on release."""
    x, y = np.abs(scene.path)
    held = scene.over and scene.hand[2] < 0.45
    if held and np.abs(scene.puck_velocity).max() > _SLOW:
        return False
    if not scene.far:
        return bool(np.hypot(x, y) < (0.01 if held else 0.025))
    return bool(y < (0.012 if held else 0.03) and x < (0.05 if held else 0.1))


def _drag(scene: _Scene) -> Vector:
    """Presses the puck down and drags it, slowly enough for the puck to follow."""
    path = scene.path
    pull = path * 9
    # Accelerates slowly, and slows down if the puck lags behind.
    speed = float(np.abs(scene.hand_velocity[:2]).max())
    fastest = min(0.8, speed / 0.62 + 0.35)
    pull *= min(1.0, fastest / max(float(np.abs(pull).max()), 1e-9))
    lead = -float(scene.offset @ path) / max(float(np.linalg.norm(path)), 1e-9)
    pull *= np.clip((0.034 - lead) / 0.022, 0.2, 1)
    return np.array([*pull, (_PRESSED - scene.hand[2]) * 10, 0])


def _go_over(scene: _Scene) -> Vector:
    """Rises, moves above the puck, and descends onto it."""
    behind = _BEHIND * scene.path / max(float(np.linalg.norm(scene.path)), 1e-9)
    distance = float(np.linalg.norm(scene.offset - behind))
    if 0.015 < distance < 0.055 and scene.hand[2] < _OVER - 0.014:
        return np.array([0.0, 0.0, 1.0, 0.0])
    x, y = scene.puck[:2] + 0.03 * scene.puck_velocity[:2] - behind
    return _go(scene.hand, x, y, _OVER if distance > 0.018 else _PRESSED - 0.01)


def _hit(scene: _Scene) -> Vector:
    """Moves to the start of the run-up, and from there through the puck."""
    distance = max(scene.goal[0] - scene.puck[0], 0.05) + _BEYOND
    power = min(_POWER * float(np.sqrt(distance)), 1.0)
    along, aside = scene.offset
    off_line = -aside - _ASIDE
    rests = np.linalg.norm(scene.hand_velocity) < 0.15
    low = scene.hand[2] < _LOW + 0.025
    begins = low and rests and abs(along - _RUN_UP) < 0.006 and abs(off_line) < 0.01
    if begins or _hitting(scene):
        return np.array([power, -8 * off_line, (_LOW - scene.hand[2]) * 10, 0])
    x, y = scene.puck[:2] + 0.06 * scene.puck_velocity[:2] + (-_RUN_UP, _ASIDE)
    away = float(np.hypot(x - scene.hand[0], y - scene.hand[1]))
    if away < 0.015:
        return _go(scene.hand, x, y, _LOW)
    if scene.hand[2] < 0.466 and np.hypot(along, aside) < 0.06:
        return np.array([-0.3, 0.0, 1.0, 0.0])
    return _go(scene.hand, x, y, 0.475)


def slide(state: Vector) -> Vector:
    """Next action, not yet clipped to [-1, 1]; (4,)."""
    scene = _scene(state)
    if scene.far and _hitting(scene):
        return _hit(scene)
    if scene.far and _on_its_way(scene):
        return np.zeros(4)
    if not _placed(scene):
        return _drag(scene) if scene.over else _go_over(scene)
    if scene.far:
        return _hit(scene)
    return np.array([0.0, 0.0, 1.0 if scene.hand[2] < _OVER else 0.0, 0.0])
