"""Off-screen rendering of a MuJoCo simulation, with upright images.

Differences from MuJoCo's own images:

1. Images of fixed cameras that are mounted upside down are rotated by 180 degrees.
2. The profile ``fast`` leaves out shadows, reflections and multisampling, which need nine
   tenths of the time when rendering on a CPU.
"""

import atexit
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from weakref import WeakValueDictionary

import mujoco
import numpy as np

from robomtl.camera import Camera, Picture
from robomtl.envs.mujoco_opengl import make_context
from robomtl.envs.mujoco_views import View, Window

_WORLD = 0  # Index of the world body, which does not move.
_FURTHER_GEOMS = 1000  # Tendons, decorations and distractors of a scene.
_FONT = mujoco.mjtFontScale.mjFONTSCALE_150


class _Screen:
    """OpenGL resources for rendering a model at one size, shared by cameras of a thread.

    Args:
        model: MuJoCo's model.
        camera: Size and profile of the images.
    """

    def __init__(self, model: Any, camera: Camera) -> None:
        assert camera.width is not None and camera.height is not None
        self.model = model  # Kept alive, so that no other model gets its id.
        self.gl = make_context(camera.width, camera.height)
        self.gl.make_current()
        with _visual_settings(model, camera):
            self.resources = mujoco.MjrContext(model, _FONT)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self.resources)
        # MuJoCo leaves out the geoms for which a scene has no room.
        most = model.ngeom + model.nsite + _FURTHER_GEOMS
        self.scene = mujoco.MjvScene(model, most)
        if camera.profile == "fast":
            self.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
            self.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        self.viewport = mujoco.MjrRect(0, 0, camera.width, camera.height)
        # Frees the resources of envs that nobody closes, while their context can still be
        # made current: in another context, the resources of another screen would be freed.
        self.free = weakref.finalize(self, _free, self.gl, self.resources)
        _free_at_exit()


_SCREENS: WeakValueDictionary[tuple[Any, ...], _Screen] = WeakValueDictionary()


@cache
def _free_at_exit() -> None:
    """Frees all screens at exit, before the OpenGL library ends, which was loaded earlier."""
    atexit.register(lambda: [screen.free() for screen in [*_SCREENS.values()]])


def _screen(model: Any, camera: Camera) -> _Screen:
    """Screen of a model for this thread, as a context is current in one thread only."""
    size = camera.width, camera.height
    key = threading.get_ident(), id(model), camera.profile, size
    screen = _SCREENS.get(key)
    if screen is None:
        screen = _SCREENS[key] = _Screen(model, camera)
    return screen


class MujocoCamera:
    """Camera of a simulation, whose screen is made with the first image.

    Args:
        model: MuJoCo's model, which is only read.
        data: MuJoCo's data, which are only read.
        camera: Profile and size, neither of them None.
        at: Name of a camera of the model, or a free view.
        window: Part of the view that is shown; None for all of it.
        markers: Whether images show the simulator's markers, including the goal's.
        hidden_groups: Groups of geoms that images leave out.
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        camera: Camera,
        *,
        at: str | View,
        window: Window | None = None,
        markers: bool = True,
        hidden_groups: tuple[int, ...] = (),
    ) -> None:
        self._model, self._data = model, data
        self._camera = camera
        self._screen: _Screen | None = None
        self._window = window
        self.paint: Callable[[Any], None] | None = None
        """Function that changes the scene before it is rendered; None for none."""
        self._eye = mujoco.MjvCamera()
        self._upside_down = False
        if isinstance(at, View):
            self._eye.type = mujoco.mjtCamera.mjCAMERA_FREE
            for setting, value in at._asdict().items():
                setattr(self._eye, setting, value)
        else:
            self._eye.type = mujoco.mjtCamera.mjCAMERA_FIXED
            self._eye.fixedcamid = model.camera(at).id
            self._upside_down = _hangs(model, self._eye.fixedcamid)
        self._options = mujoco.MjvOption()
        if not markers:
            self._options.sitegroup[:] = 0
        self._options.geomgroup[list(hidden_groups)] = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (height, width, 3) of the images [px]."""
        assert self._camera.width is not None and self._camera.height is not None
        return self._camera.height, self._camera.width, 3

    def picture(self) -> Picture:
        """Image of the current state; (height, width, 3).

        Raises:
            ValueError: If ``MUJOCO_GL`` is unknown or disables rendering.
            ImportError: If no OpenGL library works on this machine.
        """
        if self._screen is None:
            self._screen = _screen(self._model, self._camera)
        screen = self._screen
        screen.gl.make_current()  # Another env may have rendered since.
        mujoco.mjv_updateScene(
            self._model,
            self._data,
            self._options,
            None,
            self._eye,
            mujoco.mjtCatBit.mjCAT_ALL,
            screen.scene,
        )
        if self._window is not None:
            _look_through(self._window, screen.scene, turned=self._upside_down)
        if self.paint is not None:
            self.paint(screen.scene)
        mujoco.mjr_render(screen.viewport, screen.scene, screen.resources)
        rows = np.empty(self.shape, np.uint8)
        mujoco.mjr_readPixels(rows, None, screen.viewport, screen.resources)
        # OpenGL's first row is the lowest one.
        upright = rows[:, ::-1] if self._upside_down else rows[::-1]
        return np.ascontiguousarray(upright)

    def close(self) -> None:
        """Releases the screen, which its last camera frees; another image makes a new one."""
        self._screen = None


def _look_through(window: Window, scene: Any, *, turned: bool) -> None:
    """Narrows the view of a square image to a window.

    Args:
        window: Part of the view that is shown.
        scene: MuJoCo's scene, already updated for the camera.
        turned: Whether the image is rotated by 180 degrees after rendering.
    """
    sign = -1 if turned else 1
    across = sorted(sign * (side - 0.5) for side in (window.left, window.right))
    up = sorted(-sign * (side - 0.5) for side in (window.top, window.bottom))
    for eye in scene.camera:  # A stereo pair, whose mean is used for a single image.
        side = eye.frustum_top - eye.frustum_bottom
        eye.frustum_center = side * sum(across) / 2
        eye.frustum_width = side * (across[1] - across[0]) / 2
        eye.frustum_bottom, eye.frustum_top = side * up[0], side * up[1]


def _free(gl: Any, resources: Any) -> None:
    gl.make_current()
    resources.free()
    gl.free()


@contextmanager
def _visual_settings(model: Any, camera: Camera) -> Iterator[None]:
    """Sets the sizes of OpenGL buffers in the model during the block."""
    quality, size = model.vis.quality, model.vis.global_
    before = quality.offsamples, quality.shadowsize, size.offwidth, size.offheight
    if camera.profile == "fast":
        quality.offsamples, quality.shadowsize = 0, 0
    size.offwidth, size.offheight = camera.width, camera.height
    try:
        yield
    finally:
        quality.offsamples, quality.shadowsize, size.offwidth, size.offheight = before


def _hangs(model: Any, index: int) -> bool:
    """Whether a camera is fixed in the world and upside down."""
    up = model.cam_mat0[index].reshape(3, 3)[:, 1]
    # The up axis of a camera that looks straight down is horizontal, up to rounding.
    return bool(model.cam_bodyid[index] == _WORLD and up[2] < -0.01)
