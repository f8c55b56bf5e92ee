"""Layout of LIBERO's states: the robot, then all objects of a suite."""

import functools
from collections.abc import Mapping
from typing import NamedTuple

from robomtl.envs import libero_tasks

_POSE = ("x", "y", "z", "qw", "qx", "qy", "qz")

PROPRIOCEPTION_NAMES = (
    *(f"hand_{each}" for each in _POSE),
    "finger_left",
    "finger_right",
    *(f"joint_{number}" for number in range(1, 8)),
)
"""Names of the hand's pose, of the positions of the fingers [m] and joints [rad]."""

HAND = 0
FINGERS = slice(7, 9)


class Layout(NamedTuple):
    """Layout of the states of a suite."""

    names: tuple[str, ...]
    """Names of all components."""
    poses: Mapping[str, int]
    """Index of the x of each object's pose, by name; y, z and the quaternion follow."""


@functools.cache
def layout(variant: str) -> Layout:
    """Layout of the states of a suite, which its perturbations share."""
    names, poses = [*PROPRIOCEPTION_NAMES], {"hand": HAND}
    for thing, joints in libero_tasks.slots(variant).items():
        poses[thing] = len(names)
        names += [f"{thing}_{each}" for each in (*_POSE, *joints)]
    return Layout(tuple(names), poses)
