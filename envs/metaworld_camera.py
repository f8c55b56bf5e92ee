"""Pictures of a Meta-World env, upright.

All of Meta-World's cameras in a corner hang upside down; ``MujocoCamera`` turns their
pictures by half.
"""

from typing import Any

from robomtl.camera import Camera
from robomtl.envs.metaworld_cameras import SYNONYMS, WINDOWS
from robomtl.envs.mujoco_camera import MujocoCamera


def metaworld_camera(env: Any, camera: Camera, *, markers: bool = True) -> MujocoCamera:
    """A camera that takes pictures of an env.

    Args:
        env: Meta-World's env, whose model and data are read and left as they are.
        camera: Name, profile and size, all given.
        markers: Whether pictures show the simulator's markers, that of the goal among
            them.
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
