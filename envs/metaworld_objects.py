"""Objects of Meta-World's tasks: their sources in the simulator, and layout in a state.

Meta-World assembles states by methods of 50 classes; a table replaces them here. Values
equal Meta-World's, including the sign of quaternions.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from robomtl.envs.metaworld_simulator import Vector
from robomtl.geometry import Body, Geometry

_OBJECT_START = 4  # Index of the first object, after the hand and the gripper.
_OBJECT_SIZE = 7
_FRAME = 18  # Size of a frame; a state consists of the current and the last one.


class Part(NamedTuple):
    """Source of an object in a state: 3 numbers of position, 4 of orientation."""

    position: str
    """``body``, ``site`` or ``geom`` and its name; ``dial`` and a body's name for a knob on
    its rim."""
    orientation: str
    """``body`` and its name, for a quaternion w x y z as in MuJoCo; ``matrix``, ``body``,
    ``site`` or ``geom``, and its name, for a quaternion x y z w; ``none`` for zeros; or
    ``identity``."""
    offset: tuple[float, float, float] | None = None
    """Offset that is added to the position [m]; None for none."""


_COFFEE = (Part("body obj", "matrix geom mug"),)
_OBJ = (Part("body obj", "body obj"),)
_OBJ_BY_GEOM = (Part("body obj", "matrix geom objGeom"),)
_GEOM = (Part("geom objGeom", "matrix geom objGeom"),)
_PUCK = (Part("geom puck", "matrix geom puck"),)
_HANDLE = (Part("geom handle", "matrix geom handle"),)
_BUTTON = (Part("body button", "body button", (0.0, -0.193, 0.0)),)
_BUTTON_BELOW = (Part("body button", "body button", (0.0, 0.0, 0.193)),)
_PRESSED = (Part("site handleStart", "none"),)
_STICK = Part("body stick", "matrix body stick")
_NUT = (Part("site RoundNut-8", "body RoundNut"),)

OBJECTS: dict[str, tuple[Part, ...]] = {
    "assembly-v3": _NUT,
    "basketball-v3": (Part("body bsktball", "body bsktball"),),
    "bin-picking-v3": _OBJ,
    "box-close-v3": (Part("body top_link", "body top_link"),),
    "button-press-topdown-v3": _BUTTON_BELOW,
    "button-press-topdown-wall-v3": _BUTTON_BELOW,
    "button-press-v3": _BUTTON,
    "button-press-wall-v3": _BUTTON,
    "coffee-button-v3": (Part("site buttonStart", "identity"),),
    "coffee-pull-v3": _COFFEE,
    "coffee-push-v3": _COFFEE,
    "dial-turn-v3": (Part("dial dial", "body dial"),),
    "disassemble-v3": _NUT,
    "door-close-v3": _HANDLE,
    "door-lock-v3": (Part("site lockStartLock", "body door_link"),),
    "door-open-v3": _HANDLE,
    "door-unlock-v3": (Part("site lockStartUnlock", "body door_link"),),
    "hand-insert-v3": _OBJ,
    "drawer-close-v3": (Part("body drawer_link", "none", (0.0, -0.16, 0.05)),),
    "drawer-open-v3": (
        Part("body drawer_link", "body drawer_link", (0.0, -0.16, 0.0)),
    ),
    "faucet-open-v3": (
        Part("site handleStartOpen", "body faucetBase", (0.0, 0.0, -0.01)),
    ),
    "faucet-close-v3": (
        Part("site handleStartClose", "body faucetBase", (0.0, 0.0, -0.01)),
    ),
    "hammer-v3": (
        Part("body hammer", "body hammer"),
        Part("body nail_link", "body nail_link"),
    ),
    "handle-press-side-v3": _PRESSED,
    "handle-press-v3": _PRESSED,
    "handle-pull-side-v3": (Part("site handleCenter", "none"),),
    "handle-pull-v3": (Part("site handleRight", "none"),),
    "lever-pull-v3": (Part("site leverStart", "matrix geom objGeom"),),
    "pick-place-wall-v3": _GEOM,
    "pick-out-of-hole-v3": _OBJ,
    "pick-place-v3": _OBJ_BY_GEOM,
    "plate-slide-v3": _PUCK,
    "plate-slide-side-v3": _PUCK,
    "plate-slide-back-v3": _PUCK,
    "plate-slide-back-side-v3": _PUCK,
    "peg-insert-side-v3": (Part("site pegGrasp", "matrix site pegGrasp"),),
    "peg-unplug-side-v3": (Part("site pegEnd", "body plug1"),),
    "soccer-v3": (Part("body soccer_ball", "matrix body soccer_ball"),),
    "stick-push-v3": (_STICK, Part("site insertion", "none", (0.0, 0.09, 0.0))),
    "stick-pull-v3": (_STICK, Part("site insertion", "none")),
    "push-v3": _OBJ_BY_GEOM,
    "push-wall-v3": _GEOM,
    "push-back-v3": _GEOM,
    "reach-v3": _OBJ_BY_GEOM,
    "reach-wall-v3": _OBJ_BY_GEOM,
    "shelf-place-v3": _OBJ_BY_GEOM,
    "sweep-into-v3": _OBJ_BY_GEOM,
    "sweep-v3": _OBJ,
    "window-open-v3": (Part("site handleOpenStart", "none"),),
    "window-close-v3": (Part("site handleCloseStart", "none"),),
}
"""Objects in the state of each task, in order."""

_CARRIED = (
    "coffee-pull coffee-push hand-insert pick-out-of-hole pick-place pick-place-wall"
    " plate-slide plate-slide-back plate-slide-back-side plate-slide-side push push-back"
    " push-wall shelf-place soccer sweep sweep-into"
)
_ACHIEVED = {"reach-v3": "hand", "reach-wall-v3": "hand"} | {
    f"{name}-v3": "object" for name in _CARRIED.split()
}
"""Body that reaches the goal in each task, within 0.08 m at the end of demonstrations."""


def positions(task: str) -> dict[str, slice]:
    """Slices of the positions of the hand and the objects in a task's state."""
    starts = [_OBJECT_START + i * _OBJECT_SIZE for i in range(len(OBJECTS[task]))]
    names = ["object", "second object"]
    known = zip(names, starts, strict=False)
    return {"hand": slice(0, 3)} | {name: slice(at, at + 3) for name, at in known}


def geometry(task: str, goal: slice | None) -> Geometry:
    """Meaning of the components of a task's states and actions.

    Args:
        task: Name of the task.
        goal: Slice of the goal in a state; None if it is hidden.
    """
    objects = tuple(_body(part, index) for index, part in enumerate(OBJECTS[task]))
    hand = Body(positions=(0, _FRAME))
    carried = {"hand": hand, "object": objects[0]}
    return Geometry(
        dimensions=3,
        hand=hand,
        objects=objects,
        goal=None if goal is None else Body(positions=(goal.start,)),
        displacement=0,
        achieved=carried.get(_ACHIEVED.get(task, "")),
    )


def _body(part: Part, index: int) -> Body:
    starts = [_OBJECT_START + index * _OBJECT_SIZE + frame for frame in (0, _FRAME)]
    orientations = tuple(start + 3 for start in starts)
    return Body(
        positions=tuple(starts),
        orientations=() if part.orientation == "none" else orientations,
        order="xyzw" if part.orientation.startswith("matrix") else "wxyz",
    )


def quaternion(matrix: Vector) -> tuple[float, float, float, float]:
    """Quaternion x y z w of a rotation, with the sign of SciPy's ``Rotation``.

    Args:
        matrix: Rotation matrix, row by row; (9,).
    """
    xx, xy, xz, yx, yy, yz, zx, zy, zz = matrix.tolist()
    trace = xx + yy + zz
    largest = max(xx, yy, zz, trace)
    if largest == xx:
        x, y, z, w = 1 - trace + 2 * xx, yx + xy, zx + xz, zy - yz
    elif largest == yy:
        x, y, z, w = xy + yx, 1 - trace + 2 * yy, zy + yz, xz - zx
    elif largest == zz:
        x, y, z, w = xz + zx, yz + zy, 1 - trace + 2 * zz, yx - xy
    else:
        x, y, z, w = zy - yz, xz - zx, yx - xy, 1 + trace
    scale = 1 / math.sqrt(x * x + y * y + z * z + w * w)
    return x * scale, y * scale, z * scale, w * scale


def _position(data: Any, part: Part, out: Vector) -> Callable[[], None]:
    kind, name = part.position.split()
    if kind == "dial":
        return _knob(data, name, out)
    source = getattr(data, kind)(name).xpos
    if part.offset is None:
        return lambda: np.copyto(out, source)
    offset = np.array(part.offset)

    def write() -> None:
        np.add(source, offset, out=out)

    return write


def _knob(data: Any, name: str, out: Vector) -> Callable[[], None]:
    """Function that writes the position of a dial's knob, 0.05 m from its centre."""
    centre, angle = data.body(name).xpos, data.joint("knob_Joint_1").qpos

    def write() -> None:
        offset = np.array([np.sin(angle[0]), -np.cos(angle[0]), 0.0])
        np.add(centre, offset * 0.05, out=out)

    return write


def _orientation(data: Any, part: Part, out: Vector) -> Callable[[], None] | None:
    if part.orientation in ("none", "identity"):
        out[:] = (part.orientation == "identity", 0, 0, 0)
        return None
    kind, *rest = part.orientation.split()
    if kind == "body":
        source = data.body(rest[0]).xquat
        return lambda: np.copyto(out, source)
    matrix = getattr(data, rest[0])(rest[1]).xmat

    def write() -> None:
        out[:] = quaternion(matrix)

    return write


def object_writers(task: str, data: Any, state: Vector) -> list[Callable[[], None]]:
    """Functions that write the objects of a task into a state.

    Args:
        task: Name of the task.
        data: MuJoCo's data; its positions must be up to date at each call.
        state: State that is written to; (39,).
    """
    writers: list[Callable[[], None] | None] = []
    for index, part in enumerate(OBJECTS[task]):
        start = _OBJECT_START + index * _OBJECT_SIZE
        position, orientation = start + 3, start + _OBJECT_SIZE
        writers.append(_position(data, part, state[start:position]))
        writers.append(_orientation(data, part, state[position:orientation]))
    return [writer for writer in writers if writer is not None]
