"""Conversion of a Gymnasium env's spaces to features and an action.

Observations are flattened into the vector ``state``: nested Dict and Tuple spaces in their
order, numbers and booleans unchanged, Discrete as one-hot. From a goal-conditioned Dict,
``achieved_goal`` is left out, as the observation contains it, and ``desired_goal`` comes
last, as declared by ``Suite.goal``. Each picture (uint8, (height, width, 3), sides of at
least 16 px) becomes a feature named ``image.`` and its key.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from robomtl.errors import InputError
from robomtl.features import STATE, ActionFeature, Embodiment, Feature
from robomtl.gymnasium_success import ACHIEVED, GOAL
from robomtl.pictures import IMAGE
from robomtl.task import Action

_LARGEST = 1e30  # Larger bounds, such as the largest float32, mean unbounded.
_SIDE = 16  # [px] Smallest side of a picture; smaller arrays are flattened.
_CHANNELS = (1, 3, 4)
_UNNAMED = "pixels"

Bounds = tuple[float, float]
"""Lowest and highest value of an action."""


class Part(NamedTuple):
    """A leaf of an observation space."""

    path: tuple[Any, ...]
    """Keys that lead to the leaf; empty if the observation is a single leaf."""
    space: spaces.Space[Any]
    """Space of the leaf."""

    @property
    def key(self) -> str:
        """The keys joined by dots, such as ``arm.position``; empty for a single leaf."""
        return ".".join(map(str, self.path))


@dataclass(frozen=True)
class Layout:
    """Sizes of an env's features and actions; envs of equal layout share an embodiment."""

    parts: tuple[tuple[str, int], ...]
    """Name and length of each part of the state, in order; a single vector has no name."""
    images: tuple[tuple[str, tuple[int, ...]], ...]
    """Feature name and shape of each picture."""
    action: int
    """Number of components of an action."""

    @property
    def state(self) -> int:
        """Length of the state; an env with pictures only has one component, always 0."""
        return sum(size for _, size in self.parts) or 1

    @property
    def goal(self) -> slice | None:
        """Slice of ``desired_goal`` in the state; None if there is none."""
        of_goal = (size for name, size in self.parts if name.partition(".")[0] == GOAL)
        size = sum(of_goal)
        return slice(self.state - size, self.state) if size else None

    def embodiment(self, name: str) -> Embodiment:
        """The embodiment of this layout, for a robot of this name."""
        features = {STATE: Feature(kind="state", shape=(self.state,))}
        for feature, shape in self.images:
            features[feature] = Feature(kind="image", shape=shape, camera=feature)
        return Embodiment(
            name=name, observation=features, action=ActionFeature(size=self.action)
        )


def parts_of(task: str, space: spaces.Space[Any]) -> tuple[list[Part], dict[str, Part]]:
    """The parts that make up the state, in order, and the pictures by feature name.

    Raises:
        InputError: If a part is neither a vector nor a picture.
    """
    if isinstance(space, spaces.Dict):
        kept = [key for key in space if key not in (GOAL, ACHIEVED)]
        kept += [GOAL] if GOAL in space.spaces else []
        leaves = [leaf for key in kept for leaf in _leaves((key,), space[key])]
    else:
        leaves = [*_leaves((), space)]
    images = {
        f"{IMAGE}{leaf.key or _UNNAMED}": leaf
        for leaf in leaves
        if _is_picture(task, leaf)
    }
    vectors = [leaf for leaf in leaves if leaf not in images.values()]
    if not all(isinstance(_flat(task, leaf, space), spaces.Box) for leaf in vectors):
        raise _no_vector(task, space)
    return [leaf for leaf in vectors if spaces.flatdim(leaf.space)], images


def _leaves(path: tuple[Any, ...], space: spaces.Space[Any]) -> Iterator[Part]:
    inner: Mapping[Any, spaces.Space[Any]] = {}
    if isinstance(space, spaces.Dict):
        inner = space.spaces
    elif isinstance(space, spaces.Tuple):
        inner = dict(enumerate(space.spaces))
    else:
        yield Part(path, space)
    for key, each in inner.items():
        yield from _leaves((*path, key), each)


def _is_picture(task: str, part: Part) -> bool:
    """Whether a part is a picture.

    Raises:
        InputError: If it looks like a picture, but has another dtype or order of axes.
    """
    box, shape = part.space, part.space.shape or ()
    if not isinstance(box, spaces.Box) or len(shape) not in (2, 3):
        return False
    sides = sorted(shape)[-2:]
    if min(sides) < _SIDE or (len(shape) == 3 and min(shape) not in _CHANNELS):
        return False
    if box.dtype == np.uint8 and len(shape) == 3 and shape[2] == 3:
        return True
    if len(shape) == 2 and box.dtype != np.uint8:
        return False  # A matrix of numbers.
    raise InputError(
        f"'{task}' observes '{part.key or STATE}', a picture of {box.dtype} and shape"
        f" {shape}; give uint8 of (height, width, 3), by a wrapper such as"
        " gymnasium.wrappers.TransformObservation."
    )


def _flat(task: str, part: Part, whole: spaces.Space[Any]) -> spaces.Space[Any]:
    try:
        return spaces.flatten_space(part.space)
    except NotImplementedError:
        raise _no_vector(task, whole) from None


def _no_vector(task: str, space: spaces.Space[Any]) -> InputError:
    return InputError(
        f"'{task}' observes {space}, which cannot be flattened into a vector."
    )


def observation_space(
    vectors: list[Part], images: Mapping[str, Part]
) -> dict[str, spaces.Space[Any]]:
    """The spaces of the state and of the pictures, by feature name."""
    flat: Any = [spaces.flatten_space(part.space) for part in vectors]
    low, high = np.zeros(1, np.float32), np.zeros(1, np.float32)
    if flat:
        with np.errstate(over="ignore"):  # Bounds beyond float32 become infinite.
            low, high = (
                np.concatenate([getattr(box, bound) for box in flat]).astype(np.float32)
                for bound in ("low", "high")
            )
    found: dict[str, spaces.Space[Any]] = {
        STATE: spaces.Box(low, high, dtype=np.float32)
    }
    for name, part in images.items():
        found[name] = spaces.Box(0, 255, part.space.shape, np.uint8)
    return found


def layout_of(
    task: str, env: gymnasium.Env[Any, Any], rendered: Mapping[str, int]
) -> Layout:
    """The layout of an env.

    Args:
        task: Name of the task, for messages.
        env: Env whose spaces are read.
        rendered: Width and height of rendered pictures [px], by feature name.

    Raises:
        InputError: If the observation space cannot be flattened, or the action space is
            not a Box.
    """
    vectors, images = parts_of(task, env.observation_space)
    shapes = {name: part.space.shape or () for name, part in images.items()}
    shapes |= {name: (size, size, 3) for name, size in rendered.items()}
    return Layout(
        parts=tuple((part.key, spaces.flatdim(part.space)) for part in vectors),
        images=tuple(shapes.items()),
        action=int(np.prod(_box(task, env.action_space).shape)),
    )


def _box(task: str, space: spaces.Space[Any]) -> spaces.Box:
    if not isinstance(space, spaces.Box):
        raise InputError(
            f"The action space of '{task}' is {space}; expected a Box with bounds."
        )
    if not np.prod(space.shape):
        raise InputError(
            f"The action space of '{task}' has the shape {space.shape}; expected at least 1"
            " component."
        )
    return space


class ActionScale:
    """Scales actions from [-1, 1] to the bounds of an env, component by component.

    Args:
        task: Name of the task, for messages.
        space: The action space of the env.
        bounds: Bounds of components that the space leaves unbounded; None for none.

    Raises:
        InputError: If the space is not a Box, a component has no bounds, or a low bound is
            not below its high bound.
    """

    def __init__(
        self, task: str, space: spaces.Space[Any], bounds: Bounds | None
    ) -> None:
        self.space = _box(task, space)
        self._low, self._high = (
            np.where(np.abs(each) < _LARGEST, each.astype(np.float64), np.nan).ravel()
            for each in (self.space.low, self.space.high)
        )
        open_ = np.isnan(self._low) | np.isnan(self._high)
        if open_.any() and bounds is None:
            raise InputError(
                f"The action space of '{task}' is {space}; expected a Box with bounds, but"
                f" the components {np.flatnonzero(open_).tolist()} have none. Give"
                " action_bounds=(low, high), the values to which -1 and 1 are mapped there."
            )
        if bounds is not None:
            low, high = bounds
            self._low = np.where(np.isnan(self._low), low, self._low)
            self._high = np.where(np.isnan(self._high), high, self._high)
        if not (self._low < self._high).all():
            raise InputError(
                f"The bounds of the actions of '{task}' are {self._low.tolist()} to"
                f" {self._high.tolist()}; each low bound must be below its high bound."
            )

    def __call__(self, action: Action) -> NDArray[Any]:
        """The env's action for one within [-1, 1]; values are clipped, integers rounded."""
        fraction = (np.clip(np.asarray(action, np.float64), -1, 1) + 1) / 2
        scaled = self._low + fraction * (self._high - self._low)
        if self.space.dtype.kind in "iu":
            scaled = np.rint(scaled)
        taken: NDArray[Any] = scaled.astype(self.space.dtype)
        return taken.reshape(self.space.shape)
