"""Scenes of robosuite's tasks, and the layout of their states, which all tasks share.

Components that a scene does not have are zero, so that one policy can read all tasks.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class Scene(NamedTuple):
    """Names of a task's objects in robosuite's model."""

    object: str
    """Body that is moved."""
    grip: str = ""
    """Site at which the object is held; empty for its origin."""
    target: str = ""
    """Body to which the object is moved; empty for none."""
    joints: tuple[str, ...] = ()
    """Joints of a door's hinge and of its latch; empty for none."""


def _bin(thing: str) -> Scene:
    return Scene(f"{thing}_main", target=f"Visual{thing}_main")


SCENES: Mapping[str, Scene] = MappingProxyType(
    {
        "Lift": Scene("cube_main"),
        "Stack": Scene("cubeA_main", target="cubeB_main"),
        "Door": Scene(
            "Door_latch",
            "Door_handle",
            target="Door_door",
            joints=("Door_hinge", "Door_latch_joint"),
        ),
        "PickPlaceCan": _bin("Can"),
        "PickPlaceMilk": _bin("Milk"),
        "PickPlaceBread": _bin("Bread"),
        "PickPlaceCereal": _bin("Cereal"),
        "NutAssemblySquare": Scene("SquareNut_main", "SquareNut_handle_site", "peg1"),
        "NutAssemblyRound": Scene("RoundNut_main", "RoundNut_handle_site", "peg2"),
    }
)
"""Scenes by name of the task, which is the name of robosuite's env."""

_XYZ = ("x", "y", "z")


def axis_names(thing: str) -> tuple[str, ...]:
    """Names of the components of a body's x and y axes; (6,)."""
    return tuple(f"{thing}.{axis}_axis.{each}" for axis in "xy" for each in _XYZ)


def position_names(thing: str) -> tuple[str, ...]:
    """Names of the components of a position; (3,)."""
    return tuple(f"{thing}.{each}" for each in _XYZ)


NAMES = (
    *position_names("hand"),
    *axis_names("hand"),
    "finger.left",
    "finger.right",
    *position_names("grip"),
    *axis_names("object"),
    *position_names("hand_to_grip"),
    *position_names("target"),
    *axis_names("target"),
    *position_names("object_to_target"),
    "hinge",
    "latch",
)
"""Names of the components of a state; positions in metres in the world's frame, axes of a
body as unit vectors, joints in radians."""

HAND, HAND_AXES, FINGERS = slice(0, 3), slice(3, 9), slice(9, 11)
GRIP, OBJECT_AXES, HAND_TO_GRIP = slice(11, 14), slice(14, 20), slice(20, 23)
TARGET, TARGET_AXES = slice(23, 26), slice(26, 32)
OBJECT_TO_TARGET, JOINTS = slice(32, 35), slice(35, 37)


class SceneReader:
    """Reader of the state of a scene.

    Args:
        env: robosuite's env of the scene.
        scene: Names of the scene's objects.
    """

    def __init__(self, env: Any, scene: Scene) -> None:
        model, data = env.sim.model, env.sim.data._data
        grip = env.robots[0].gripper["right"].important_sites["grip_site"]
        hand, body = model.site_name2id(grip), model.body_name2id(scene.object)
        self._data = data
        self._hand, self._hand_axes = data.site_xpos[hand], data.site_xmat[hand]
        self._object, self._object_axes = data.xpos[body], data.xmat[body]
        self._grip = (
            data.site_xpos[model.site_name2id(scene.grip)]
            if scene.grip
            else self._object
        )
        self._target = model.body_name2id(scene.target) if scene.target else None
        self._fingers = [
            model.get_joint_qpos_addr(name)
            for name in env.robots[0].gripper["right"].joints
        ]
        self._joints = [model.get_joint_qpos_addr(name) for name in scene.joints]

    def state(self) -> Vector:
        """Current state, with the components ``NAMES``; (37,)."""
        data, state = self._data, np.zeros(len(NAMES))
        state[HAND], state[HAND_AXES] = self._hand, two_axes(self._hand_axes)
        state[FINGERS] = data.qpos[self._fingers]
        state[GRIP], state[OBJECT_AXES] = self._grip, two_axes(self._object_axes)
        state[HAND_TO_GRIP] = self._grip - self._hand
        if self._target is not None:
            state[TARGET] = data.xpos[self._target]
            state[TARGET_AXES] = two_axes(data.xmat[self._target])
            state[OBJECT_TO_TARGET] = state[TARGET] - self._object
        if self._joints:
            state[JOINTS] = data.qpos[self._joints]
        return state


def two_axes(rotation: Vector) -> Vector:
    """X and y axes of a body from its rotation matrix; (6,)."""
    return rotation.reshape(3, 3).T[:2].ravel()
