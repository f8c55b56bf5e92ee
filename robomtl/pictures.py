"""Pictures as observation features: cameras, size and rendering profile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

from robomtl.camera import Camera, Profile
from robomtl.errors import InputError
from robomtl.features import Feature
from robomtl.names import several
from robomtl.nearest import check_known
from robomtl.ranges import check_types, settings, typed_fields
from robomtl.suites import unshifted
from robomtl.task import Observation

IMAGE = "image."
"""Prefix of the names of picture features; the camera's name follows."""

PROPRIOCEPTION = "proprioception"
"""Name of the state feature that accompanies pictures: the robot's own measurements."""


@runtime_checkable
class OnDemandPictures(Protocol):
    """An env that can render the pictures of its observations on demand, to save time."""

    blind: bool
    """Whether observations of ``reset`` and ``step`` omit the pictures."""

    def pictures(self) -> Observation:
        """The pictures of the current observation, by feature name."""
        ...


_SIDES = range(16, 1025)  # [px]
SIZE = 84
"""Default width and height of pictures [px]."""


@settings
@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Settings of the pictures in a suite's observations; part of the suite's options."""

    cameras: tuple[str, ...]
    """Names of the cameras; each takes a picture at every step."""
    size: int = SIZE
    """Width and height of the pictures [px]."""
    profile: Profile = "fast"
    """``fast``: without shadows, reflections and anti-aliasing; ``faithful``: with the
    simulator's own rendering settings."""

    def __post_init__(self) -> None:
        """Checks the size, the profile, and that no camera is named twice.

        Raises:
            InputError: If the size is out of range, the profile is unknown, or a camera is
                named twice.
        """
        check_types(self)
        if self.size not in _SIDES:
            raise InputError(
                f"size is {self.size}; give {_SIDES[0]} to {_SIDES[-1]} pixels."
            )
        twice = [name for name in self.cameras if self.cameras.count(name) > 1]
        if twice:
            raise InputError(f"Camera '{twice[0]}' is named twice; name it once.")

    @property
    def by_feature(self) -> dict[str, Camera]:
        """The cameras, by the names of their picture features."""
        size = self.size
        return {
            f"{IMAGE}{name}": Camera(
                name=name, profile=self.profile, width=size, height=size
            )
            for name in self.cameras
        }

    @property
    def features(self) -> dict[str, Feature]:
        """The picture features, by name."""
        shape = (self.size, self.size, 3)
        return {
            name: Feature(kind="image", shape=shape, camera=str(camera.name))
            for name, camera in self.by_feature.items()
        }

    @property
    def options(self) -> dict[str, Any]:
        """The settings as plain data, which ``chosen`` accepts."""
        return {
            "cameras": list(self.cameras),
            "size": self.size,
            "profile": self.profile,
        }


def chosen(
    suite: str,
    known: Sequence[str],
    *,
    cameras: str | Sequence[str],
    size: int | None,
    profile: Profile | None,
) -> Pictures | None:
    """The pictures that the options of a suite request; None without cameras.

    Args:
        suite: Name of the suite, for messages.
        known: Names of the suite's cameras.
        cameras: Names of the cameras to observe.
        size: Width and height [px]; None for 84.
        profile: Rendering profile; None for ``fast``.

    Raises:
        InputError: If a camera is unknown, or a size or a profile is given without a
            camera.
    """
    names = several("cameras", cameras)
    settings = {"size": size, "profile": profile}
    given = {name: value for name, value in settings.items() if value is not None}
    if not names and given:
        raise InputError(
            f"{' and '.join(given)} of pictures is given without a camera; name cameras"
            f" of {suite}: {', '.join(known)}."
        )
    for name in names:
        check_known(f"camera of {suite}", name, known)
    return Pictures(cameras=names, **typed_fields(Pictures, given)) if names else None


def pictures_of(trained: str, suite: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The picture options that a policy carries over to another suite of its family.

    Args:
        trained: Name of the suite that the policy was trained on.
        suite: Name of the suite in which the policy acts.
        options: Options of the suite that the policy was trained on.

    Returns:
        Options by name; empty for a suite of another family.
    """
    suites = unshifted(trained), unshifted(suite)
    if len({name.partition("/")[0] for name in suites}) > 1:
        return {}
    names = [each.name for each in fields(Pictures)]
    return {name: options[name] for name in names if name in options}
