"""Pictures of a Meta-World env, drawn off screen, upright.

What differs from Meta-World's own pictures:

1. All of its cameras in a corner hang upside down; their pictures are turned by half.
2. The profile ``fast`` leaves out shadows, reflections and multisampling, which take
   nine tenths of the time where no graphics card draws.
"""

import atexit
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from robomtl.camera import Camera, Picture
from robomtl.envs.mujoco_opengl import make_context
from robomtl.errors import InputError
from robomtl.nearest import unknown

_WORLD = 0  # Index of the body that does not move.
_MOST_GEOMS = 1000  # As Gymnasium's renderer has it; Meta-World's scenes have 150.
_FONT = mujoco.mjtFontScale.mjFONTSCALE_150


@dataclass
class _Drawing:
    """What OpenGL holds for one camera."""

    gl: Any
    resources: Any
    scene: Any
    eye: Any
    viewport: Any
    upside_down: bool


class MetaWorldCamera:
    """Takes pictures of an env; what draws them is built for the first one.

    Args:
        env: Meta-World's env, whose model and data are read and left as they are.
        camera: What is seen, all its fields given.
    """

    def __init__(self, env: Any, camera: Camera) -> None:
        self._model, self._data = env.model, env.data
        self._camera = camera
        self._drawing: _Drawing | None = None

    def picture(self) -> Picture:
        """What the camera sees now; (height, width, 3).

        Raises:
            ValueError: If ``MUJOCO_GL`` is unknown or forbids to draw.
            ImportError: If no OpenGL library draws here.
        """
        drawing = self._drawing or self._open()
        drawing.gl.make_current()  # Another env may have drawn since.
        mujoco.mjv_updateScene(
            self._model,
            self._data,
            mujoco.MjvOption(),
            None,
            drawing.eye,
            mujoco.mjtCatBit.mjCAT_ALL,
            drawing.scene,
        )
        mujoco.mjr_render(drawing.viewport, drawing.scene, drawing.resources)
        view = drawing.viewport
        rows = np.empty((view.height, view.width, 3), np.uint8)
        mujoco.mjr_readPixels(rows, None, view, drawing.resources)
        # OpenGL's first row is the lowest one.
        upright = rows[:, ::-1] if drawing.upside_down else rows[::-1]
        return np.ascontiguousarray(upright)

    def close(self) -> None:
        """Gives back what OpenGL holds; a later picture builds it anew."""
        if self._drawing is not None:
            self._drawing = None
            self._free()
            atexit.unregister(self._free)

    def _open(self) -> _Drawing:
        drawing = self._drawing = _drawing(self._model, self._camera)
        # Where nobody closes an env, this does, while the context can still be made
        # current: resources freed in another one would be those of another camera.
        self._free = weakref.finalize(self, _free, drawing)
        atexit.register(self._free)
        return drawing


def _free(drawing: _Drawing) -> None:
    drawing.gl.make_current()
    drawing.resources.free()
    drawing.gl.free()


def _drawing(model: Any, camera: Camera) -> _Drawing:
    assert camera.width is not None and camera.height is not None
    gl = make_context(camera.width, camera.height)
    gl.make_current()
    with _visual_settings(model, camera):
        resources = mujoco.MjrContext(model, _FONT)
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, resources)
    scene = mujoco.MjvScene(model, _MOST_GEOMS)
    if camera.profile == "fast":
        scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
    eye = mujoco.MjvCamera()
    eye.type = mujoco.mjtCamera.mjCAMERA_FIXED
    eye.fixedcamid = _index(model, camera.name)
    viewport = mujoco.MjrRect(0, 0, camera.width, camera.height)
    turned = _hangs(model, eye.fixedcamid)
    return _Drawing(gl, resources, scene, eye, viewport, turned)


@contextmanager
def _visual_settings(model: Any, camera: Camera) -> Iterator[None]:
    """Sizes of the buffers that are about to be made; the model keeps its own."""
    quality, size = model.vis.quality, model.vis.global_
    before = quality.offsamples, quality.shadowsize, size.offwidth, size.offheight
    if camera.profile == "fast":
        quality.offsamples, quality.shadowsize = 0, 0
    size.offwidth, size.offheight = camera.width, camera.height
    yield
    quality.offsamples, quality.shadowsize, size.offwidth, size.offheight = before


def _index(model: Any, name: str | None) -> int:
    assert name is not None
    index: int = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, name)
    if index < 0:
        known = [model.camera(each).name for each in range(model.ncam)]
        raise InputError(unknown("camera of Meta-World", name, known))
    return index


def _hangs(model: Any, index: int) -> bool:
    """Whether a camera that stands still has its upper side below."""
    up = model.cam_mat0[index].reshape(3, 3)[:, 1]
    # A camera that looks straight down lies between, give or take a rounding.
    return bool(model.cam_bodyid[index] == _WORLD and up[2] < -0.01)
