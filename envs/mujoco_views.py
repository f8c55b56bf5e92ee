"""How a MuJoCo scene is seen, as plain data: views that its model has no camera for."""

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from robomtl.camera import Camera
from robomtl.envs.mujoco_opengl import find_backend
from robomtl.nearest import check_known


class Window(NamedTuple):
    """The part of a camera's picture that another camera shows alone."""

    camera: str
    """Name of the camera in the simulator."""
    left: float
    """Where it begins, as a fraction of the picture's width."""
    right: float
    """Where it ends."""
    top: float
    """Where it begins, as a fraction of the picture's height."""
    bottom: float
    """Where it ends."""


class View(NamedTuple):
    """A camera that stands free and looks at a point."""

    lookat: tuple[float, float, float]
    """The point [m]."""
    distance: float
    """Distance from it [m]."""
    azimuth: float
    """Direction in which the camera looks, from the x axis towards y [degrees]."""
    elevation: float
    """Direction in which the camera looks, upwards [degrees]."""


def settled(
    family: str, camera: Camera, usual: Camera, known: Collection[str]
) -> Camera:
    """The camera with nothing left open, on a machine that can draw.

    Args:
        family: Family of the suite, for messages.
        camera: The requested settings.
        usual: Settings where none are requested.
        known: Names of the suite's cameras.

    Raises:
        InputError: If the camera is unknown, or ``MUJOCO_GL`` forbids to draw.
        MissingExtraError: If there is no OpenGL library; says which package has it.
    """
    found = replace(usual, **camera.given)
    check_known(f"{family} camera", str(found.name), known)
    find_backend()
    return found
