"""The contract of a shift: its range, its unit, and its effect on an episode."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from robomtl.catalogue import Registry
from robomtl.geometry import Geometry
from robomtl.task import Action

Need = Literal["actions", "positions", "physics", "start", "pictures", "table"]
"""What a shift changes. Every suite has ``actions``; one with the method ``geometry`` has
``positions``; the others are what a suite names as ``alterable``: ``table`` is pictures of
a suite that says by a property ``table`` where things can stand, the least and greatest
x, y and z [m]."""

State = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A task, as far as shifts need to know it."""

    moved: int
    """Leading components of an action that displace; those after them, such as a gripper,
    are no displacement."""
    size: int
    """Components of an action."""
    geometry: Geometry | None
    """Where things are in a state; None where the suite does not say."""
    table: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """Smallest and largest position of things [m]; the same form."""


class Effect:
    """What a shift changes in one episode; here nothing."""

    start: Mapping[str, Any] = {}
    """Options of the env's reset."""
    alters: bool = False
    """Whether it changes the simulator's model."""

    def alter(self, model: Any) -> None:
        """Changes the model of MuJoCo in place; the next reset undoes it."""

    def paint(self, scene: Any) -> None:
        """Changes the scene of MuJoCo of which a picture is about to be drawn."""

    def executed(self, action: Action) -> Action:
        """The action that is executed when this one is given; (action,)."""
        return action

    def seen(self, state: State) -> State:
        """The state that is observed; may be the given array, changed; (state,)."""
        return state


def drawn_offset(
    size: float, dimensions: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """A vector of this length in a random direction, each as likely; (axis,)."""
    way = generator.standard_normal(dimensions)
    offset: NDArray[np.float64] = size * way / np.linalg.norm(way)
    return offset


Begin = Callable[[float, Scene, np.random.Generator], Effect]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A difference between the suite that was trained on and the one acted in."""

    line: str
    """What it changes, in a line."""
    unit: str
    """Of its magnitude; ``×`` for a factor."""
    least: float
    """Smallest magnitude."""
    most: float
    """Largest magnitude."""
    none: float = 0.0
    """The magnitude that changes nothing: 1 for a factor."""
    whole: bool = False
    """Whether magnitudes are whole numbers."""
    magnitudes: tuple[float, ...]
    """Those that ``robomtl shift`` plays by default, besides ``none``."""
    randomised: tuple[float, float]
    """The range that randomisation draws from by default."""
    needs: Need
    """What of a suite it changes."""
    begin: Begin
    """Its effect on an episode: of a magnitude, a task and what draws random numbers."""

    @property
    def factor(self) -> bool:
        """Whether magnitudes multiply, so that their logarithm is what counts."""
        return self.none == 1.0

    def drawn(self, low: float, high: float, generator: np.random.Generator) -> float:
        """A magnitude of a range, each as likely; of a factor, each logarithm."""
        if low == high:
            return low
        if self.whole:
            return float(generator.integers(int(low), int(high) + 1))
        if self.factor:
            return float(np.exp(generator.uniform(np.log(low), np.log(high))))
        return float(generator.uniform(low, high))


@runtime_checkable
class Alterable(Protocol):
    """An env whose simulator lets its model be changed for an episode."""

    def alter(self, change: Callable[[Any], None]) -> None:
        """Changes the model of the episode that was just reset; the next reset undoes it.

        Args:
            change: Takes MuJoCo's model, and writes into it.
        """
        ...


@runtime_checkable
class Repaintable(Protocol):
    """An env that draws pictures of MuJoCo's scenes."""

    def repaint(self, change: Callable[[Any], None] | None) -> None:
        """Changes the pictures of the episode that was just reset; the next reset undoes it.

        Args:
            change: Takes the scene of a picture before it is drawn, and writes into it;
                None for nothing.
        """
        ...


SHIFTS: Registry[Shift] = Registry(
    "shift",
    "robomtl.shifts",
    {
        "action_delay": "robomtl.shifts.actions:ACTION_DELAY",
        "action_gain": "robomtl.shifts.actions:ACTION_GAIN",
        "camera_pose": "robomtl.shifts.appearance:CAMERA_POSE",
        "colour": "robomtl.shifts.appearance:COLOUR",
        "distractors": "robomtl.shifts.appearance:DISTRACTORS",
        "friction": "robomtl.shifts.physics:FRICTION",
        "gripper_offset": "robomtl.shifts.sensors:GRIPPER_OFFSET",
        "hand_start": "robomtl.shifts.hand_start:HAND_START",
        "light": "robomtl.shifts.appearance:LIGHT",
        "object_bias": "robomtl.shifts.sensors:OBJECT_BIAS",
        "object_mass": "robomtl.shifts.physics:OBJECT_MASS",
        "object_noise": "robomtl.shifts.sensors:OBJECT_NOISE",
        "texture": "robomtl.shifts.appearance:TEXTURE",
    },
)
"""Shifts by name."""
