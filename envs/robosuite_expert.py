"""Scripted experts of robosuite's tasks, without memory of earlier steps."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from robomtl.envs.robosuite_motion import (
    UP,
    Vector,
    displacement,
    heading_of,
    rotation,
    upright,
)
from robomtl.envs.robosuite_scene import (
    FINGERS,
    HAND_AXES,
    HAND_TO_GRIP,
    JOINTS,
    OBJECT_AXES,
    OBJECT_TO_TARGET,
    TARGET_AXES,
)
from robomtl.envs.robosuite_wiping_expert import WipeExpert
from robomtl.task import Action, Expert, Observation

OPEN, CLOSED = -1.0, 1.0


@dataclass(frozen=True, kw_only=True)
class Grasp:
    """Grasp of an object from above."""

    gap: float
    """Distance between the fingers below which they hold the object [m]."""
    depth: float = 0.0
    """Height of the fingers above the grip point [m]."""
    folds: int = 0
    """Number of equivalent headings of the hand, by the object's symmetry; 0 for any."""
    heading: float = 0.0
    """Heading of the hand relative to the object's [rad]; see ``folds``."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Transport of an object to its target; heights are of its centre above the target."""

    release: float
    """Height at the release [m]."""
    carry: float
    """Largest additional height while carrying [m]."""
    near: float
    """Largest horizontal distance from the target at the release [m]."""
    slope: float = 2.0
    """Additional height per horizontal distance from the target [m/m]."""
    folds: int = 0
    """Number of headings at which the object fits the target; 0 for any."""


def _gap(state: Vector) -> float:
    """Distance between the fingers [m]."""
    left, right = state[FINGERS]
    return float(left - right)


def _nearest(heading: float, folds: int, to: float) -> float:
    """Equivalent heading that is nearest to ``to`` [rad]."""
    if not folds:
        return to
    turn = 2 * math.pi / folds
    return heading + turn * round((to - heading) / turn)


def _action(move: Vector, turn: Vector, fingers: float) -> Action:
    return np.concatenate([move, turn, [fingers]]).astype(np.float32)


@dataclass(frozen=True)
class PickExpert:
    """Expert that grasps an object from above, and lifts it or carries it to its target.

    Args:
        grasp: Grasp of the object.
        delivery: Transport to the target; None to lift the object.
    """

    grasp: Grasp
    delivery: Delivery | None = None

    def __call__(self, observation: Observation) -> Action:
        """Action for an observation, within [-1, 1]; (7,)."""
        state = observation["state"].astype(np.float64)
        if self.delivery and self._delivered(state, self.delivery):
            free = _gap(state) > self.grasp.gap + 0.01
            return _action(free * UP, np.zeros(3), OPEN)
        return self._carry(state) if self._holds(state) else self._approach(state)

    def _offset(self, state: Vector) -> Vector:
        return state[HAND_TO_GRIP] + self.grasp.depth * UP

    def _holds(self, state: Vector) -> bool:
        near = np.linalg.norm(self._offset(state)) < 0.025
        return bool(near and _gap(state) < self.grasp.gap)

    def _approach(self, state: Vector) -> Action:
        """Action that approaches the object from above and closes the fingers at it."""
        offset, axes = self._offset(state), state[HAND_AXES]
        far = math.hypot(offset[0], offset[1])
        own = heading_of(axes)
        heading = heading_of(state[OBJECT_AXES]) + self.grasp.heading
        target = _nearest(heading, self.grasp.folds, own)
        target = target if self.grasp.folds else math.pi / 2
        turned = abs(target - own)
        hover = np.clip(3 * (far - 0.01) + 0.2 * (turned - 0.1), 0, 0.08)
        arrived = far < 0.012 and abs(offset[2]) < 0.012 and turned < 0.2
        return _action(
            displacement(offset + hover * UP),
            upright(axes, target),
            CLOSED if arrived else OPEN,
        )

    def _carry(self, state: Vector) -> Action:
        own = heading_of(state[HAND_AXES])
        if self.delivery is None:
            return _action(UP, upright(state[HAND_AXES], own), CLOSED)
        offset, delivery = state[OBJECT_TO_TARGET], self.delivery
        far = math.hypot(offset[0], offset[1])
        turn = 0.0
        if delivery.folds:
            held = heading_of(state[OBJECT_AXES])
            target = heading_of(state[TARGET_AXES])
            turn = _nearest(target, delivery.folds, held) - held
        slack = delivery.slope * max(far - delivery.near / 2, 0) + 0.2 * max(
            abs(turn) - 0.03, 0
        )
        height = delivery.release - 0.003 + min(slack, delivery.carry)
        lacking = height + offset[2]
        move = offset * np.clip(1 - lacking / 0.03, 0, 1)
        move[2] = lacking
        return _action(
            displacement(move), upright(state[HAND_AXES], own + turn), CLOSED
        )

    @staticmethod
    def _delivered(state: Vector, delivery: Delivery) -> bool:
        x, y, z = state[OBJECT_TO_TARGET]
        return bool(math.hypot(x, y) < delivery.near and -z < delivery.release)


@dataclass(frozen=True)
class DoorExpert:
    """Expert that grasps the handle, presses it down until the latch is free, and pulls.

    The hand is tilted away from the door, which it would touch if it pointed straight down.
    """

    lean: float = 0.6
    """Tilt of the hand [rad]."""
    free: float = 1.2
    """Angle of the latch at which the door opens [rad]."""

    def __call__(self, observation: Observation) -> Action:
        """Action for an observation, within [-1, 1]; (7,)."""
        state = observation["state"].astype(np.float64)
        offset, axes = state[HAND_TO_GRIP], state[HAND_AXES]
        hinge, latch = state[JOINTS]
        along, outwards = -state[TARGET_AXES][:3], -state[TARGET_AXES][3:]
        sine, cosine = math.sin(self.lean), math.cos(self.lean)
        approach = -sine * outwards - cosine * UP
        turn = rotation(axes, cosine * outwards - sine * UP, approach)
        depth = float(offset @ approach)
        aside = offset - depth * approach
        far = float(np.linalg.norm(aside))
        free = abs(latch) > self.free or hinge > 0.02
        lost = 0.06 if free else 0.03
        if max(far, abs(depth)) > lost or _gap(state) > 0.055:
            hover = np.clip(
                3 * (far - 0.015) + 0.2 * (np.abs(turn).max() - 0.3), 0, 0.1
            )
            move = displacement(aside + (depth - hover) * approach)
            arrived = far < 0.015 and abs(depth) < 0.015
            return _action(move, turn, CLOSED if arrived else OPEN)
        if not free:
            angle = abs(latch)
            tangent = math.sin(angle) * along - math.cos(angle) * UP
            return _action(displacement(offset + 0.04 * tangent), turn, CLOSED)
        return _action(displacement(offset + 0.02 * outwards), turn, CLOSED)


def _binned(grasp: Grasp) -> PickExpert:
    """Expert that drops an object from above a bin, as the hand would hit its walls."""
    return PickExpert(grasp, Delivery(release=0.10, carry=0.15, near=0.04))


EXPERTS: Mapping[str, Expert] = MappingProxyType(
    {
        "Lift": PickExpert(Grasp(gap=0.0455, folds=4)),
        "Stack": PickExpert(
            Grasp(gap=0.0435, folds=4), Delivery(release=0.047, carry=0.05, near=0.012)
        ),
        "Door": DoorExpert(),
        "PickPlaceCan": _binned(Grasp(gap=0.06, depth=0.02)),
        "PickPlaceMilk": _binned(Grasp(gap=0.06, depth=0.04, folds=4)),
        "PickPlaceBread": _binned(Grasp(gap=0.055, depth=0.0, folds=2)),
        "PickPlaceCereal": _binned(
            Grasp(gap=0.055, depth=0.05, folds=2, heading=math.pi / 2)
        ),
        "NutAssemblySquare": PickExpert(
            Grasp(gap=0.036, folds=2, heading=math.pi / 2),
            Delivery(release=0.02, carry=0.12, near=0.014, slope=20, folds=4),
        ),
        "NutAssemblyRound": PickExpert(
            Grasp(gap=0.036, folds=2, heading=math.pi / 2),
            Delivery(release=0.02, carry=0.12, near=0.014, slope=20),
        ),
        "Wipe": WipeExpert(),
    }
)
"""Experts by name of the task."""
