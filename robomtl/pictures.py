"""Pictures as features of observations: which cameras, how large and drawn how."""

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
"""Name of the feature with what a robot knows of itself, beside pictures."""


@runtime_checkable
class Sighted(Protocol):
    """An env that draws the pictures of its observations on demand, as drawing takes long."""

    blind: bool
    """Whether observations of ``reset`` and ``step`` lack the pictures."""

    def pictures(self) -> Observation:
        """The pictures that an observation of now holds, by the names of their features."""
        ...


_SIDES = range(16, 1025)  # [px]
SIZE = 84
"""Width and height of pictures unless others are given [px]."""


@settings
@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The pictures in the observations of a suite; part of the suite's options."""

    cameras: tuple[str, ...]
    """Names of the cameras; each takes a picture at every step."""
    size: int = SIZE
    """Width and height of the pictures [px]."""
    profile: Profile = "fast"
    """``fast`` draws no shadows, reflections and smooth edges; ``faithful`` draws as the
    simulator shows itself."""

    def __post_init__(self) -> None:
        """Checks the size, the profile, and that no camera is named twice.

        Raises:
            InputError: If one is out of range, unknown or named twice.
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
        """The cameras, by the names of the features that hold their pictures."""
        size = self.size
        return {
            f"{IMAGE}{name}": Camera(
                name=name, profile=self.profile, width=size, height=size
            )
            for name in self.cameras
        }

    @property
    def features(self) -> dict[str, Feature]:
        """The features of the pictures, by name."""
        shape = (self.size, self.size, 3)
        return {
            name: Feature(kind="image", shape=shape, camera=str(camera.name))
            for name, camera in self.by_feature.items()
        }

    @property
    def options(self) -> dict[str, Any]:
        """Plain data from which ``chosen`` makes the same."""
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
        known: Names of its cameras.
        cameras: Names of the cameras to observe.
        size: Width and height [px]; None for 84.
        profile: How pictures are drawn; None for ``fast``.

    Raises:
        InputError: If a camera is unknown, or a size or a profile is given without one.
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
    """The options of pictures that a policy brings to another suite of its family.

    Args:
        trained: Name of the suite that it was trained on.
        suite: Name of the other one.
        options: Options of the former.
    """
    suites = unshifted(trained), unshifted(suite)
    if len({name.partition("/")[0] for name in suites}) > 1:
        return {}
    names = [each.name for each in fields(Pictures)]
    return {name: options[name] for name in names if name in options}
