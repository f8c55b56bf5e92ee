"""Views of a MuJoCo scene that its model has no camera for, as plain data."""

from typing import NamedTuple


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
