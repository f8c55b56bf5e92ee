"""The robots of robosuite's tasks: what is observed of their scenes, and how they act."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from robomtl.envs import robosuite_scene as scene
from robomtl.envs import robosuite_wiping as wiping
from robomtl.features import ActionFeature

Vector = NDArray[np.float64]

_MOVES = ("x", "y", "z", "rotation.x", "rotation.y", "rotation.z")
_UNITS = ("0.05 m",) * 3 + ("0.5 rad",) * 3


class Reader(Protocol):
    """Reads the state of one scene."""

    def state(self) -> Vector:
        """The present state; (number,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Robot:
    """A robot, and the layout of the states in which it is observed."""

    name: str
    """Name of the embodiment."""
    action: ActionFeature
    """robosuite's ``OSC_POSE``: displacement and rotation vector of the hand from where it
    is, in the frame of the robot's base; a gripper closes at positive numbers and opens at
    negative ones."""
    names: tuple[str, ...]
    """Names of the components of a state."""
    own: int
    """Number of leading components that the robot knows of itself."""
    reader: Callable[[Any, str], Reader]
    """Makes what reads the states of robosuite's env of a task, by its name."""
    positions: Callable[[str], Mapping[str, slice]]
    """Says where things are in a state of a task [m]."""
    conclude: Callable[[Any, Vector], bool]
    """Changes in robosuite's env of a task what its step changes once the physics of an
    action have run, and says whether that ends the episode."""


def _positions(task: str) -> Mapping[str, slice]:
    known = {"hand": scene.HAND, "object": scene.GRIP}
    if not scene.SCENES[task].target:
        return known
    return {**known, "target": scene.TARGET}


PANDA = Robot(
    name="robosuite-panda",
    action=ActionFeature(size=7, names=(*_MOVES, "gripper"), units=(*_UNITS, "1")),
    names=scene.NAMES,
    own=scene.FINGERS.stop,
    reader=lambda env, task: scene.SceneReader(env, scene.SCENES[task]),
    positions=_positions,
    # robosuite's tasks with a gripper compute a reward there, by a second check of success.
    conclude=lambda *_: False,
)
"""The Panda with its gripper, of all tasks but ``Wipe``."""

WIPER = Robot(
    name="robosuite-panda-wiper",
    action=ActionFeature(size=6, names=_MOVES, units=_UNITS),
    names=wiping.NAMES,
    own=wiping.FORCE + 1,
    reader=lambda env, _: wiping.WipingReader(env),
    positions=lambda _: {"hand": wiping.HAND, "object": wiping.DIRT},
    conclude=wiping.wipe,
)
"""The Panda with a wiper in place of the gripper, of ``Wipe``."""


def robot_of(task: str) -> Robot:
    """The robot of a task, by its name."""
    return WIPER if task == "Wipe" else PANDA
