"""A shared action space for several robots: displacement of the hand, and gripper.

Robots that move a hand by displacements differ mainly in the displacement that an action of 1
causes. With aligned actions, a policy predicts one shared action for all robots: those
components of displacement, rotation and gripper that any of the robots has, scaled by the
largest displacement per unit of action. A robot's own action is computed from the shared one by
the names and units of its ``ActionFeature``.

Source: Open X-Embodiment Collaboration 2023, "Open X-Embodiment: Robotic Learning Datasets and
RT-X Models", arXiv:2310.08864, section III.B (coarse alignment of actions). Departures:

1. RT-X normalises the actions of each data set by its statistics. Here the units are known, so that
   a number means the same displacement for every robot.

As in RT-X, coordinate frames are not aligned: x is each robot's own x.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robomtl.errors import InputError
from robomtl.features import ActionFeature, Embodiment, embodiment_of
from robomtl.task import Suite

Aligning = Literal["none", "end_effector"]
"""Whether robots share one action."""

SLOTS = ("x", "y", "z", "rotation.x", "rotation.y", "rotation.z", "gripper")
"""Possible components of a shared action: the displacement of the hand, its rotation vector, and
the gripper, which closes for positive values."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Maps between the actions of robots and the action that they share."""

    slots: tuple[str, ...]
    """Components of the shared action, in the order of ``SLOTS``."""
    units: tuple[str, ...]
    """Displacement of each shared component at an action of 1, such as ``0.05 m``."""
    indices: tuple[tuple[int, ...], ...]
    """Index of the shared component for each component of a robot's action, per robot."""
    factors: tuple[tuple[float, ...], ...]
    """Value in the shared action of each component of a robot's action at 1, per robot."""

    def to_shared(self, action: NDArray[np.float32], robot: int) -> NDArray[np.float32]:
        """Converts a robot's actions to shared ones; (…, own) to (…, shared)."""
        made = np.zeros((*action.shape[:-1], len(self.slots)), np.float32)
        factors = np.array(self.factors[robot], np.float32)
        made[..., list(self.indices[robot])] = (action * factors).clip(-1, 1)
        return made

    def to_robot(self, action: NDArray[np.float32], robot: int) -> NDArray[np.float32]:
        """Converts shared actions to a robot's; (…, shared) to (…, own)."""
        factors = np.array(self.factors[robot], np.float32)
        made: NDArray[np.float32] = action[..., list(self.indices[robot])] / factors
        return made.clip(-1, 1)

    def for_robot(self, robot: Embodiment) -> "Alignment":
        """The alignment of one robot to the same shared action.

        Raises:
            InputError: If the robot's actions lack names or units, or have a component
                that is not shared.
        """
        described = _described(robot)
        for slot in described:
            if slot not in self.slots:
                raise InputError(
                    f"'{robot.name}' acts by '{slot}', and the policy's shared action has"
                    f" {', '.join(self.slots)}; train it with a robot that has {slot}."
                )
        amounts = dict(zip(self.slots, map(_amount, self.units), strict=True))
        return Alignment(
            slots=self.slots,
            units=self.units,
            indices=(tuple(self.slots.index(slot) for slot in described),),
            factors=(
                tuple(_ratio(s, d, amounts[s], robot) for s, d in described.items()),
            ),
        )


def aligned(robots: Sequence[Embodiment]) -> Alignment:
    """The alignment of several robots to one shared action.

    Args:
        robots: Robots whose actions have names among ``SLOTS``, and units.

    Raises:
        InputError: If a robot's actions lack such names or units, or robots have different
            units for one component.
    """
    every = [_described(robot) for robot in robots]
    slots = [slot for slot in SLOTS if any(slot in each for each in every)]
    largest = {
        slot: max(
            (each[slot] for each in every if slot in each), key=lambda it: abs(it[0])
        )
        for slot in slots
    }
    unmapped = Alignment(
        slots=tuple(slots),
        units=tuple(f"{abs(size):g} {unit}" for size, unit in largest.values()),
        indices=(),
        factors=(),
    )
    alone = [unmapped.for_robot(robot) for robot in robots]
    return Alignment(
        slots=unmapped.slots,
        units=unmapped.units,
        indices=tuple(each.indices[0] for each in alone),
        factors=tuple(each.factors[0] for each in alone),
    )


def action_of(suite: Suite, task: str) -> ActionFeature | None:
    """The action feature of a task; None if the suite does not describe its actions.

    A suite describes them by the method ``embodiment``, or by a property ``action``.
    """
    described: ActionFeature | None = getattr(suite, "action", None)
    if described is None and hasattr(suite, "embodiment"):
        return embodiment_of(suite, task).action
    return described


def scaled(unit: str, gain: float) -> str:
    """A displacement at an action of 1, such as ``0.05 m``, multiplied by a factor."""
    number, name = _amount(unit)
    return f"{number * gain:g} {name}".strip()


_Amount = tuple[float, str]
"""A displacement at an action of 1, and its unit."""


def _described(robot: Embodiment) -> dict[str, _Amount]:
    """The displacement of each component of a robot's action at 1, by name."""
    names, units = robot.action.names, robot.action.units
    strange = [name for name in names if name not in SLOTS]
    if not names or strange:
        says = (
            f"calls its actions {', '.join(names)}" if names else "does not name them"
        )
        raise InputError(
            f"Aligned actions are displacements of a hand and a gripper, and '{robot.name}'"
            f" {says}; give its ActionFeature names of {', '.join(SLOTS)}, or leave"
            " --alignment out."
        )
    if not units:
        raise InputError(
            f"Aligned actions are scaled by their units, and '{robot.name}' has none; give"
            " its ActionFeature the displacement at an action of 1, such as '0.05 m', or"
            " leave --alignment out."
        )
    return {name: _amount(unit) for name, unit in zip(names, units, strict=True)}


def _amount(unit: str) -> _Amount:
    """Number and unit of a text such as ``0.05 m``; the number is 1 where it is missing."""
    number, _, name = unit.rpartition(" ")
    try:
        size = float(number or 1)
    except ValueError:
        size, name = 1.0, unit
    return (-size, "close") if name == "open" else (size, name)


def _ratio(slot: str, own: _Amount, shared: _Amount, robot: Embodiment) -> float:
    if own[1] != shared[1] or not own[0] or not shared[0]:
        raise InputError(
            f"'{robot.name}' moves '{slot}' by {own[0]:g} {own[1]}, and the shared action by"
            f" {shared[0]:g} {shared[1]}; units of a component are the same for all robots."
        )
    return own[0] / shared[0]
