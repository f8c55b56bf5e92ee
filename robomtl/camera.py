"""Cameras: settings of the pictures of an env, and functions that take them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray

from robomtl.errors import InputError, MissingExtraError
from robomtl.ranges import check_types, settings
from robomtl.task import Env, Suite

Picture = NDArray[np.uint8]
"""RGB picture, rows from the top; (height, width, 3)."""

Profile = Literal["fast", "faithful"]
"""Quality of drawing; see ``Camera.profile``."""

_SIDES = range(16, 4097)  # [px]


@settings
@dataclass(frozen=True, kw_only=True)
class Camera:
    """Camera that takes pictures of an env; the suite chooses fields that are None."""

    name: str | None = None
    """Name of one of the suite's cameras, such as ``corner2``."""
    profile: Profile | None = None
    """Rendering: ``fast``, without shadows, reflections and anti-aliasing, for software
    rendering; ``faithful``, with the simulator's own settings."""
    width: int | None = None
    """Width of pictures [px]."""
    height: int | None = None
    """Height of pictures [px]."""

    def __post_init__(self) -> None:
        """Checks the profile and the size.

        Raises:
            InputError: If the profile is unknown, or a side too short or too long.
        """
        check_types(self)
        for side in ("width", "height"):
            length = getattr(self, side)
            if length is not None and length not in _SIDES:
                raise InputError(
                    f"The {side} of pictures is {length}; give {_SIDES[0]} to"
                    f" {_SIDES[-1]}."
                )

    @property
    def given(self) -> dict[str, Any]:
        """The fields that are not None, by name."""
        return {key: value for key, value in vars(self).items() if value is not None}


OWN = Camera()
"""Camera whose fields are all None: the suite chooses everything."""


def with_camera(suite: Suite, camera: Camera) -> Suite:
    """The suite with a camera in its envs, for ``take_picture``.

    Args:
        suite: Any suite. If it has no method ``with_camera``, it is returned unchanged, as
            its envs may already render.
        camera: Settings of the pictures.

    Raises:
        ValueError: If the suite does not support the camera.
        MissingExtraError: If a library that renders is missing.
    """
    add: Callable[[Camera], Suite] | None = getattr(suite, "with_camera", None)
    if add is not None:
        return add(camera)
    refuse_settings(suite.name, camera)
    return suite


def refuse_settings(name: str, camera: Camera, *known: str) -> None:
    """Refuses camera settings that a suite does not support.

    Args:
        name: Name of the suite.
        camera: The requested settings.
        *known: Fields of ``Camera`` that the suite supports.

    Raises:
        InputError: If another field is set.
    """
    strange = [key for key in camera.given if key not in known]
    if strange:
        raise InputError(
            f"{name} does not support {' and '.join(strange)} for its pictures; supported:"
            f" {' and '.join(known) or 'none'}."
        )


def take_picture(env: Env | gymnasium.Env[Any, Any]) -> Picture:
    """The current picture of an env's camera; (height, width, 3).

    Raises:
        InputError: If the env renders no pictures.
        MissingExtraError: If a library that renders is missing.
    """
    if env.render_mode != "rgb_array":
        raise InputError(
            f"The env renders no pictures: its render_mode is {env.render_mode!r}; expected"
            " 'rgb_array'."
        )
    try:
        picture: Any = env.render()
    except DependencyNotInstalled as error:
        raise MissingExtraError(f"The env cannot be rendered: {error}") from error
    if (
        not isinstance(picture, np.ndarray)
        or picture.dtype != np.uint8
        or picture.shape[2:] != (3,)
    ):
        kind = type(picture).__name__
        if isinstance(picture, np.ndarray):
            kind = f"{picture.dtype} of shape {picture.shape}"
        raise InputError(
            f"The env's render() returned {kind}; expected uint8 of (height, width, 3)."
        )
    return picture


def resized(picture: Picture, size: int) -> Picture:
    """A picture resized to a square by bilinear interpolation with anti-aliasing.

    The aspect ratio is not kept.

    Args:
        picture: (height, width, 3).
        size: Width and height [px].

    Returns:
        (size, size, 3).
    """
    if picture.shape[:2] == (size, size):
        return picture
    from torch import from_numpy
    from torch.nn.functional import interpolate

    rows = from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()
    scaled = interpolate(rows, (size, size), mode="bilinear", antialias=True)
    drawn: Picture = scaled[0].round().byte().permute(1, 2, 0).contiguous().numpy()
    return drawn
