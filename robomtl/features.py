"""Observation features, action features, and embodiments, which combine them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

import gymnasium
import numpy as np

from robomtl.errors import InputError
from robomtl.names import check_name
from robomtl.nearest import unknown
from robomtl.plug_in import inspection_env
from robomtl.task import Suite, first_task

STATE = "state"
"""Name of the state feature of an embodiment with a single vector."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One named part of an observation."""

    kind: Literal["state", "image"]
    """``state``: a float32 vector; ``image``: a uint8 RGB image."""
    shape: tuple[int, ...]
    """(length,) of a state; (height, width, 3) of an image [px]."""
    names: tuple[str, ...] = ()
    """Names of a state's components; empty if unnamed."""
    camera: str = ""
    """Name of the camera that takes an image; empty for a state."""

    def __post_init__(self) -> None:
        """Checks the shape and the names.

        Raises:
            InputError: If the shape does not fit the kind, a state has a camera, or an
                image has names or lacks a camera.
        """
        if self.kind == "state":
            _check_vector("A state", self.shape, names=self.names)
            if self.camera:
                raise InputError(f"{self}: a state has no camera; leave it out.")
        elif len(self.shape) != 3 or self.shape[2] != 3 or min(self.shape) < 1:
            raise InputError(
                f"An image has the shape {self.shape}; give (height, width, 3)."
            )
        elif self.names or not self.camera:
            raise InputError(f"{self}: an image has a camera, and no names.")

    @property
    def dtype(self) -> str:
        """Numpy's name of the feature's dtype."""
        return "float32" if self.kind == "state" else "uint8"

    def __str__(self) -> str:
        return f"{self.kind} of shape {self.shape}"


@dataclass(frozen=True, kw_only=True)
class ActionFeature:
    """Action vector of a robot, within [-1, 1] in each component."""

    size: int
    """Number of components."""
    names: tuple[str, ...] = ()
    """Names of the components, such as ``gripper``; empty if unnamed."""
    units: tuple[str, ...] = ()
    """Displacement by each component at an action of 1, such as ``0.05 m``; empty if
    unknown. The unit of a gripper is ``close`` or ``open``."""

    def __post_init__(self) -> None:
        """Checks the length, names and units.

        Raises:
            InputError: If there is no component, or the number of names or units differs
                from the size.
        """
        _check_vector("An action", (self.size,), names=self.names, units=self.units)


@dataclass(frozen=True, kw_only=True)
class Embodiment:
    """Observation features and action feature of a robot."""

    name: str
    """Name of the robot, by which policies and data sets tell several apart."""
    observation: Mapping[str, Feature]
    """Features of an observation, by name."""
    action: ActionFeature
    """Action vector of the robot."""

    def __post_init__(self) -> None:
        """Checks the name and the features.

        Raises:
            InputError: If a name is not printable text, or there is no feature.
        """
        check_name("embodiment", self.name)
        if not self.observation:
            raise InputError(
                f"The embodiment '{self.name}' has no observation feature; give at least 1."
            )
        for name in self.observation:
            check_name("feature", name)

    def feature(self, name: str) -> Feature:
        """The observation feature of this name.

        Raises:
            InputError: If there is none; the message names the nearest.
        """
        if name not in self.observation:
            raise InputError(
                unknown(f"feature of '{self.name}'", name, self.observation)
            )
        return self.observation[name]

    def observing(self, names: Sequence[str]) -> "Embodiment":
        """The same robot with a subset of its observation features.

        Raises:
            InputError: If the robot has none of these features; the message names the
                nearest of the first.
        """
        if not any(name in self.observation for name in names):
            self.feature(names[0])
        kept = {n: it for n, it in self.observation.items() if n in names}
        return replace(self, observation=kept)

    @property
    def sizes(self) -> str:
        """The shapes of the features and the length of actions, for messages."""
        features = [f"{name} {it.shape}" for name, it in self.observation.items()]
        return f"{', '.join(sorted(features))}, actions of length {self.action.size}"

    @property
    def states(self) -> dict[str, int]:
        """Lengths of the state features, by name."""
        return {
            name: feature.shape[0]
            for name, feature in self.observation.items()
            if feature.kind == "state"
        }

    @property
    def images(self) -> dict[str, Feature]:
        """The image features, by name."""
        return {
            name: feature
            for name, feature in self.observation.items()
            if feature.kind == "image"
        }

    def lacks(self, needed: "Embodiment") -> str:
        """The first incompatibility with another embodiment, as a clause; empty if none.

        Features that the other embodiment does not have are ignored, as are names of
        robots and components, units and cameras.

        Args:
            needed: Embodiment of a policy or a data set.
        """
        for name, feature in needed.observation.items():
            own = self.observation.get(name)
            if own is None:
                return (
                    f"has no feature '{name}' ({feature}), but"
                    f" {', '.join(sorted(self.observation))}"
                )
            if (own.kind, own.shape) != (feature.kind, feature.shape):
                return f"has '{name}' ({own}), not {feature}"
        if self.action.size != needed.action.size:
            return f"has actions of length {self.action.size}, not {needed.action.size}"
        return ""


@runtime_checkable
class EmbodiedSuite(Suite, Protocol):
    """A suite that names the embodiment of each task.

    A suite without this method has one embodiment, which the env of its first task
    determines; see ``embodiment_of``.
    """

    def embodiment(self, task: str) -> Embodiment:
        """The embodiment of a task.

        Raises:
            ValueError: If the task is unknown.
        """
        ...


def vector_embodiment(*, state: int, action: int, name: str = "robot") -> Embodiment:
    """An embodiment with one state feature, named ``state``.

    Args:
        state: Length of the state.
        action: Length of an action.
        name: Name of the robot.
    """
    return Embodiment(
        name=name,
        observation={STATE: Feature(kind="state", shape=(state,))},
        action=ActionFeature(size=action),
    )


def embodiment_of(suite: Suite, task: str | None = None) -> Embodiment:
    """The embodiment of a task.

    A suite may define it by a method ``embodiment(task)``. Otherwise an env of the suite's
    first task is made to read its spaces, and the robot is named after the suite's family,
    such as ``metaworld``.

    Args:
        suite: Any suite.
        task: Name of the task; None for the first.

    Raises:
        InputError: If the suite has no task, or a space of the env is neither a state nor
            an image.
    """
    first = first_task(suite).name
    if isinstance(suite, EmbodiedSuite):
        return suite.embodiment(task or first)
    with inspection_env(suite, first) as env:
        return from_spaces(
            robot_of(suite, first), env.observation_space, env.action_space
        )


def embodiments_of(
    suite: Suite, tasks: Sequence[str] | None = None
) -> dict[str, Embodiment]:
    """The embodiments of a suite's tasks, by name of the robot; see ``embodiment_of``.

    Args:
        suite: Any suite.
        tasks: Names of the tasks; None for all.

    Raises:
        InputError: If two tasks have different embodiments of one name.
    """
    if not isinstance(suite, EmbodiedSuite):
        only = embodiment_of(suite)
        return {only.name: only}
    found: dict[str, Embodiment] = {}
    for task in (*suite.train_tasks, *suite.held_out_tasks):
        if tasks is not None and task.name not in tasks:
            continue
        own = suite.embodiment(task.name)
        if found.setdefault(own.name, own) != own:
            raise InputError(
                f"The embodiment '{own.name}' of '{task.name}' differs from the one of"
                " other tasks; give different embodiments different names."
            )
    return found


def robot_of(suite: Suite, task: str) -> str:
    """Name of the embodiment of a task, without making an env.

    A suite whose method ``embodiment`` makes an env also has a method ``robot(task)``.
    """
    if (robot := getattr(suite, "robot", None)) is not None:
        return str(robot(task))
    if isinstance(suite, EmbodiedSuite):
        return suite.embodiment(task).name
    return suite.name.partition("/")[0]


def from_spaces(
    name: str, observation: gymnasium.Space[Any], action: gymnasium.Space[Any]
) -> Embodiment:
    """The embodiment that an env's spaces describe; cameras are named after their images.

    Args:
        name: Name of the robot.
        observation: A ``Dict`` of float32 vectors and uint8 images.
        action: A float32 vector within [-1, 1].

    Raises:
        InputError: If a space has another type or shape.
    """
    if not isinstance(observation, gymnasium.spaces.Dict):
        raise InputError(
            f"The observation space is {observation}; expected a Dict of features."
        )
    shape = action.shape or ()
    if len(shape) != 1:
        raise InputError(f"The action space is {action}; expected Box(-1, 1, (n,)).")
    return Embodiment(
        name=name,
        observation={
            key: _feature(key, space) for key, space in observation.spaces.items()
        },
        action=ActionFeature(size=shape[0]),
    )


def _feature(name: str, space: gymnasium.Space[Any]) -> Feature:
    shape = space.shape or ()
    if space.dtype == np.float32 and len(shape) == 1:
        return Feature(kind="state", shape=shape)
    if space.dtype == np.uint8 and len(shape) == 3 and shape[2] == 3:
        return Feature(kind="image", shape=shape, camera=name)
    raise InputError(
        f"The space of '{name}' is {space}; expected a float32 Box (n,) for a state, or a"
        " uint8 Box (height, width, 3) for an image."
    )


def _check_vector(what: str, shape: tuple[int, ...], **labels: tuple[str, ...]) -> None:
    if len(shape) != 1 or shape[0] < 1:
        raise InputError(
            f"{what} has the shape {shape}; give (length,), at least (1,)."
        )
    for kind, given in labels.items():
        if given and len(given) != shape[0]:
            raise InputError(
                f"{what} of length {shape[0]} has {len(given)} {kind}; give as many, or"
                " none."
            )
