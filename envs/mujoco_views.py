"""Views of a MuJoCo scene as plain data, in addition to the cameras of its model."""

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from robomtl.camera import Camera
from robomtl.envs.mujoco_opengl import find_backend
from robomtl.nearest import check_known


class Window(NamedTuple):
    """Crop of a camera's view, which is rendered at full resolution."""

    camera: str
    """Name of the camera in the simulator."""
    left: float
    """Left edge, as a fraction of the view's width."""
    right: float
    """Right edge, as a fraction of the view's width."""
    top: float
    """Upper edge, as a fraction of the view's height."""
    bottom: float
    """Lower edge, as a fraction of the view's height."""


class View(NamedTuple):
    """Free camera that looks at a point, as in MuJoCo's ``mjvCamera``."""

    lookat: tuple[float, float, float]
    """Point at the centre of the view [m]."""
    distance: float
    """Distance of the camera from the point [m]."""
    azimuth: float
    """Azimuth of the viewing direction, from the x axis towards y [degrees]."""
    elevation: float
    """Elevation of the viewing direction; negative if the camera looks down [degrees]."""


def settled(
    family: str, camera: Camera, usual: Camera, known: Collection[str]
) -> Camera:
    """Camera with defaults filled in, after a check that this machine can render.

    Args:
        family: Family of the suite, for messages.
        camera: Requested settings.
        usual: Defaults of settings that are None.
        known: Names of the suite's cameras.

    Raises:
        InputError: If the camera is unknown, or ``MUJOCO_GL`` disables rendering.
        MissingExtraError: If there is no OpenGL library; says which package has it.
    """
    complete = replace(usual, **camera.given)
    check_known(f"{family} camera", str(complete.name), known)
    find_backend()
    return complete
