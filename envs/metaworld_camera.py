"""Cameras of a Meta-World env, with upright images.

All of Meta-World's corner cameras are mounted upside down; ``MujocoCamera`` rotates their
images by 180 degrees.
"""

from typing import Any

from robomtl.camera import Camera
from robomtl.envs.metaworld_cameras import SYNONYMS, WINDOWS
from robomtl.envs.mujoco_camera import MujocoCamera


def metaworld_camera(env: Any, camera: Camera, *, markers: bool = True) -> MujocoCamera:
    """Camera of an env.

    Args:
        env: Meta-World's env, whose model and data are only read.
        camera: Camera without fields that are None.
        markers: Whether images show the simulator's markers, including the goal's.
    """
    assert camera.name is not None
    window = WINDOWS.get(camera.name)
    own = window.camera if window else camera.name
    return MujocoCamera(
        env.model,
        env.data,
        camera,
        at=SYNONYMS.get(own, own),
        window=window,
        markers=markers,
    )
