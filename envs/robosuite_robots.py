"""Robots of robosuite's tasks: their observed states and their actions."""

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
    """Reader of the state of a scene."""

    def state(self) -> Vector:
        """Current state; (component,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Robot:
    """Robot, with the layout of its states."""

    name: str
    """Name of the embodiment."""
    action: ActionFeature
    """Action of robosuite's ``OSC_POSE``: displacement and rotation vector of the hand
    relative to its current pose, in the frame of the robot's base; a gripper closes at
    positive values and opens at negative ones."""
    names: tuple[str, ...]
    """Names of the components of a state."""
    own: int
    """Number of leading components that are the robot's proprioception."""
    reader: Callable[[Any, str], Reader]
    """Function that makes a reader for robosuite's env and the name of its task."""
    positions: Callable[[str], Mapping[str, slice]]
    """Function that returns the slices of positions in a state of a task [m]."""
    conclude: Callable[[Any, Vector], bool]
    """Function that completes a step of robosuite's env after the physics of an action;
    returns whether the episode has ended."""


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
    # In tasks with a gripper, robosuite would only compute the reward at this point.
    conclude=lambda *_: False,
)
"""Panda with its gripper, in all tasks except ``Wipe``."""

WIPER = Robot(
    name="robosuite-panda-wiper",
    action=ActionFeature(size=6, names=_MOVES, units=_UNITS),
    names=wiping.NAMES,
    own=wiping.FORCE + 1,
    reader=lambda env, _: wiping.WipingReader(env),
    positions=lambda _: {"hand": wiping.HAND, "object": wiping.DIRT},
    conclude=wiping.wipe,
)
"""Panda with a wiper instead of a gripper, in ``Wipe``."""


def robot_of(task: str) -> Robot:
    """Robot of a task, by name of the task."""
    return WIPER if task == "Wipe" else PANDA
