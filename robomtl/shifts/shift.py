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
"""The aspect of a suite that a shift changes. Every suite supports ``actions``, and a suite
with a method ``geometry`` supports ``positions``. A suite lists the others that it supports
in its attribute ``alterable``; for ``table`` it also needs a property ``table``: the least
and greatest x, y and z at which objects can stand [m]."""

State = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Properties of a task that shifts need."""

    moved: int
    """Number of leading components of an action that are displacements; the remaining ones,
    such as the gripper's, are not."""
    size: int
    """Number of components of an action."""
    geometry: Geometry | None
    """Indices of positions in a state; None if the suite does not provide them."""
    table: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """Least and greatest x, y and z at which objects can stand [m]; None if unknown."""


class Effect:
    """Effect of a shift on one episode; this base class changes nothing."""

    start: Mapping[str, Any] = {}
    """Options that are passed to the env's ``reset``."""
    alters: bool = False
    """Whether the effect changes the simulator's model."""

    def alter(self, model: Any) -> None:
        """Changes MuJoCo's model in place; the next reset restores it."""

    def paint(self, scene: Any) -> None:
        """Changes MuJoCo's scene in place before it is rendered."""

    def executed(self, action: Action) -> Action:
        """The action that the env executes in place of the policy's action; (action,)."""
        return action

    def observed(self, state: State) -> State:
        """The observed state; may modify and return its argument; (state,)."""
        return state


def drawn_offset(
    size: float, dimensions: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """A vector of length ``size`` in a uniformly random direction; (axis,)."""
    direction = generator.standard_normal(dimensions)
    offset: NDArray[np.float64] = size * direction / np.linalg.norm(direction)
    return offset


Begin = Callable[[float, Scene, np.random.Generator], Effect]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A difference between the suite in training and the suite in use."""

    line: str
    """Description of the changed quantity, in one line."""
    unit: str
    """Unit of the magnitude; ``×`` for a factor."""
    minimum: float
    """Smallest magnitude."""
    maximum: float
    """Largest magnitude."""
    none: float = 0.0
    """Magnitude at which nothing changes: 1 for a factor, 0 otherwise."""
    integer: bool = False
    """Whether magnitudes are integers."""
    magnitudes: tuple[float, ...]
    """Magnitudes that ``robomtl shift`` plays by default, besides ``none``."""
    randomised: tuple[float, float]
    """Default range of magnitudes for randomisation."""
    needs: Need
    """Aspect of a suite that the shift changes, which the suite must support."""
    begin: Begin
    """Makes the effect on one episode from the magnitude, the scene and a random generator."""

    @property
    def factor(self) -> bool:
        """Whether the magnitude is a factor, which is drawn and plotted on a log scale."""
        return self.none == 1.0

    def drawn(self, low: float, high: float, generator: np.random.Generator) -> float:
        """A magnitude drawn uniformly from [low, high]; log-uniformly for a factor."""
        if low == high:
            return low
        if self.integer:
            return float(generator.integers(int(low), int(high) + 1))
        if self.factor:
            return float(np.exp(generator.uniform(np.log(low), np.log(high))))
        return float(generator.uniform(low, high))


@runtime_checkable
class Alterable(Protocol):
    """An env whose simulation model can be changed for one episode."""

    def alter(self, change: Callable[[Any], None]) -> None:
        """Changes the model of the current episode; called just after its reset.

        The next reset restores the model.

        Args:
            change: Modifies MuJoCo's model in place.
        """
        ...


@runtime_checkable
class Repaintable(Protocol):
    """An env that renders pictures of MuJoCo scenes."""

    def repaint(self, change: Callable[[Any], None] | None) -> None:
        """Changes the pictures of the current episode; called just after its reset.

        The next reset restores the pictures.

        Args:
            change: Modifies MuJoCo's scene in place before each rendering; None for no
                change.
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
