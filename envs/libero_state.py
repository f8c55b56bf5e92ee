"""The numbers of LIBERO's states: the robot, and then the things that a suite may have."""

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
"""The hand's pose, the positions of the fingers [m] and of the joints [rad]."""

HAND = 0
FINGERS = slice(7, 9)


class Layout(NamedTuple):
    """Where everything is in the states of a suite."""

    names: tuple[str, ...]
    """Names of all components."""
    poses: Mapping[str, int]
    """Index of the x of each thing's pose, by its name; y, z and the quaternion follow."""


@functools.cache
def layout(variant: str) -> Layout:
    """The layout of the states of a suite, the same for those that perturb it."""
    names, poses = [*PROPRIOCEPTION_NAMES], {"hand": HAND}
    for thing, joints in libero_tasks.slots(variant).items():
        poses[thing] = len(names)
        names += [f"{thing}_{each}" for each in (*_POSE, *joints)]
    return Layout(tuple(names), poses)
