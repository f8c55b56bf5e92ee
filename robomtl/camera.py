"""How envs are seen: a camera, the suite it looks at, and the pictures it takes."""

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
"""Red, green and blue, from the upper left; (height, width, 3)."""

Profile = Literal["fast", "faithful"]

_SIDES = range(16, 4097)  # [px]


@settings
@dataclass(frozen=True, kw_only=True)
class Camera:
    """What takes pictures of an env; the suite decides on all that is None."""

    name: str | None = None
    """Which of the suite's cameras, such as ``corner2``."""
    profile: Profile | None = None
    """``fast``: without shadows, reflections and smooth edges, for machines that draw in
    software; ``faithful``: as the simulator shows itself."""
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
        """What is not left to the suite."""
        return {key: value for key, value in vars(self).items() if value is not None}


OWN = Camera()
"""The camera that leaves everything to the suite."""


def with_camera(suite: Suite, camera: Camera) -> Suite:
    """The suite with a camera in its envs: ``take_picture`` shows them.

    Args:
        suite: Any suite. If it has no ``with_camera``, it is returned as it is, for its
            envs may show themselves.
        camera: What looks at the envs.

    Raises:
        ValueError: If the suite does not take the camera.
        MissingExtraError: If this machine lacks what draws.
    """
    place: Callable[[Camera], Suite] | None = getattr(suite, "with_camera", None)
    if place is not None:
        return place(camera)
    refuse_settings(suite.name, camera)
    return suite


def refuse_settings(name: str, camera: Camera, *known: str) -> None:
    """Refuses settings of a camera that a suite cannot meet.

    Args:
        name: Name of the suite.
        camera: The requested settings.
        *known: Fields of ``Camera`` that the suite takes.

    Raises:
        InputError: If another field is given.
    """
    strange = [key for key in camera.given if key not in known]
    if strange:
        raise InputError(
            f"{name} shows its envs in its own way: {' and '.join(strange)} cannot be"
            f" chosen, but {' and '.join(known) or 'nothing'}."
        )


def take_picture(env: Env | gymnasium.Env[Any, Any]) -> Picture:
    """What the camera of an env sees now; (height, width, 3).

    Raises:
        InputError: If the env shows no pictures.
        MissingExtraError: If this machine lacks what draws.
    """
    if env.render_mode != "rgb_array":
        raise InputError(
            f"The env shows no pictures: its render_mode is {env.render_mode!r}; expected"
            " 'rgb_array'."
        )
    try:
        picture: Any = env.render()
    except DependencyNotInstalled as error:
        raise MissingExtraError(f"The env cannot be drawn: {error}") from error
    if (
        not isinstance(picture, np.ndarray)
        or picture.dtype != np.uint8
        or picture.shape[2:] != (3,)
    ):
        kind = type(picture).__name__
        if isinstance(picture, np.ndarray):
            kind = f"{picture.dtype} of shape {picture.shape}"
        raise InputError(
            f"The env's render() gave {kind}; expected uint8 of (height, width, 3)."
        )
    return picture


def resized(picture: Picture, size: int) -> Picture:
    """A picture at another size, by averages; sides of different length are squeezed.

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
