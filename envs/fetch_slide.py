"""The scripted expert that slides the puck to a goal, within reach or beyond.

A hit by the closed fingers sends the puck where their faces point and how it leans, so a
single hit from where it lies misses most goals. The expert therefore presses the fingers
onto the puck from above and drags it:

1. A goal within reach: to the goal.
2. A goal beyond: to a tee straight in front of the goal. From there a hit along x, by the
   middle of one finger, sends it straight ahead, with a speed that friction uses up on the
   way.

Numbers were fitted by hand on variations of the split ``train``.
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

_STEP = 0.04  # [s]
_REACH = 1.28  # x of the farthest goal to which the gripper drags the puck [m].
_TEE = 1.14  # x from which the puck is hit [m].
_BEHIND = 0.01  # From the puck's centre to where the gripper presses it first [m].
_PRESSED = 0.425  # Height towards which the gripper presses the puck down [m].
_AHEAD = 0.03  # Time by which the puck is foreseen [s].
_SLOW = 0.15  # Speed of a puck that may be let go [m/s].
_OVER = 0.48  # Height at which the gripper passes over the puck [m].
_LOW = 0.425  # Height of the gripper that is about to hit [m].
_ASIDE = 0.0125  # From the puck's centre, so that one finger hits it, not the gap [m].
_RUN_UP = 0.059  # To the puck, so that they touch as the gripper is fastest [m].
_POWER = 1.16  # Deflection of a hit over the square root of its distance [m^-0.5].
_BEYOND = 0.03  # A puck that stops short never was at the goal [m].


class _Scene(NamedTuple):
    """What a state says; positions in m, velocities in m/s."""

    hand: Vector
    puck: Vector
    goal: Vector
    hand_velocity: Vector
    puck_velocity: Vector

    @property
    def offset(self) -> Vector:
        """From the hand to the puck, along x and y."""
        return (self.puck - self.hand)[:2]

    @property
    def over(self) -> bool:
        """Whether the hand is over the puck, low enough to hold it."""
        return bool(np.linalg.norm(self.offset) < 0.034 and self.hand[2] < 0.467)

    @property
    def far(self) -> bool:
        """Whether the goal is out of reach."""
        return bool(self.goal[0] > _REACH)

    @property
    def way(self) -> Vector:
        """From the puck to where it is dragged, along x and y."""
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
    """Whether the hand is running up to the puck or has just touched it."""
    along, aside = scene.offset
    return bool(
        scene.puck[0] > _TEE - 0.1
        and abs(scene.way[1]) < 0.05
        and scene.hand_velocity[0] > 0.2
        and scene.hand[2] < _LOW + 0.025
        and 0.02 < along < 0.06
        and abs(aside) < 0.03
    )


def _on_its_way(scene: _Scene) -> bool:
    """Whether the puck has been hit, so that the hand has no more to do."""
    along, aside = scene.offset
    speed, drift = scene.puck_velocity[:2]
    hit = speed > 0.25 and along > 0.03 and abs(aside) < 0.03 and abs(drift) < 0.2
    hit = hit and abs(scene.way[1]) < 0.05
    return bool(hit or scene.puck[0] > 1.33)


def _placed(scene: _Scene) -> bool:
    """Whether the puck lies where it is dragged; less exactly so once it is let go."""
    x, y = np.abs(scene.way)
    held = scene.over and scene.hand[2] < 0.45
    if held and np.abs(scene.puck_velocity).max() > _SLOW:
        return False
    if not scene.far:
        return bool(np.hypot(x, y) < (0.01 if held else 0.025))
    return bool(y < (0.012 if held else 0.03) and x < (0.05 if held else 0.1))


def _drag(scene: _Scene) -> Vector:
    """Presses the puck and drags it, no faster than it follows."""
    way = scene.way
    pull = way * 9
    # Starts gently, and waits for a puck that lags.
    speed = float(np.abs(scene.hand_velocity[:2]).max())
    fastest = min(0.8, speed / 0.62 + 0.35)
    pull *= min(1.0, fastest / max(float(np.abs(pull).max()), 1e-9))
    lead = -float(scene.offset @ way) / max(float(np.linalg.norm(way)), 1e-9)
    pull *= np.clip((0.034 - lead) / 0.022, 0.2, 1)
    return np.array([*pull, (_PRESSED - scene.hand[2]) * 10, 0])


def _go_over(scene: _Scene) -> Vector:
    """Rises, comes over the puck, and goes down onto it."""
    behind = _BEHIND * scene.way / max(float(np.linalg.norm(scene.way)), 1e-9)
    distance = float(np.linalg.norm(scene.offset - behind))
    if 0.015 < distance < 0.055 and scene.hand[2] < _OVER - 0.014:
        return np.array([0.0, 0.0, 1.0, 0.0])
    x, y = scene.puck[:2] + 0.03 * scene.puck_velocity[:2] - behind
    return _go(scene.hand, x, y, _OVER if distance > 0.018 else _PRESSED - 0.01)


def _hit(scene: _Scene) -> Vector:
    """Goes to where the run-up begins, and once there, through the puck."""
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
    """The next action, not yet within [-1, 1]; (4,)."""
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
