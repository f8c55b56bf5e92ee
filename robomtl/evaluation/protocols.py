"""Protocols of evaluation by name: what a published number has to say of itself.

``lerobot`` follows LeRobot's Meta-World benchmark (huggingface/lerobot,
``envs/metaworld.py`` and ``envs/configs.py``): goals drawn anew, 10 episodes a task,
episodes of 400 steps, success at any step, tasks averaged within tiers. The goals are
those of the split ``fresh``, as LeRobot's follow from the state of a process.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from robomtl.errors import InputError
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.rollout import Criterion
from robomtl.nearest import unknown

CUSTOM = "custom"
"""The name of conditions that no protocol has."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What evaluations under one name have in common."""

    line: str
    """What it is, in a line."""
    split: str
    """Which variations."""
    episodes: int
    """Variations of each task: exactly so many where the horizon is fixed too, or as a
    default."""
    criterion: Criterion
    """When a trial counts as solved."""
    horizon: int | None
    """Steps after which a trial ends; None for the suite's own, and any number of
    episodes."""

    def differences(
        self, conditions: Conditions, horizon: int | None
    ) -> Mapping[str, tuple[object, object]]:
        """By field, what the protocol has and what the conditions have instead."""
        pairs: dict[str, tuple[object, object]] = {
            "split": (self.split, conditions.split),
            "criterion": (self.criterion, conditions.criterion),
            "repeats": (1, conditions.repeats),
        }
        if self.horizon is not None:
            pairs["horizon"] = self.horizon, horizon
            pairs["episodes"] = self.episodes, conditions.episodes
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


PROTOCOLS = {
    "official": Protocol(
        line="each of the 50 goals Meta-World draws with seed 42, once; 500 steps",
        split="official",
        episodes=50,
        criterion="any step",
        horizon=500,
    ),
    "lerobot": Protocol(
        line="10 other goals a task, 400 steps; its number is the tier mean",
        split="fresh",
        episodes=10,
        criterion="any step",
        horizon=400,
    ),
    "strict": Protocol(
        line="other goals, solved only if success holds at the last step",
        split="fresh",
        episodes=50,
        criterion="last step",
        horizon=None,
    ),
    "fresh": Protocol(
        line="goals that neither training nor the official split has",
        split="fresh",
        episodes=50,
        criterion="any step",
        horizon=None,
    ),
}


def protocol(name: str) -> Protocol:
    """The protocol of this name.

    Raises:
        ValueError: If there is none.
    """
    if name not in PROTOCOLS:
        raise InputError(unknown("protocol", name, PROTOCOLS))
    return PROTOCOLS[name]


def name_of(conditions: Conditions, horizon: int | None) -> str:
    """The first protocol that the conditions meet; ``CUSTOM`` if none.

    Args:
        conditions: Under which an agent is evaluated.
        horizon: Steps after which the suite's trials end; None if it does not say.
    """
    fitting = (
        name
        for name, each in PROTOCOLS.items()
        if not each.differences(conditions, horizon)
    )
    return next(fitting, CUSTOM)


def check(name: str, conditions: Conditions, horizon: int | None) -> None:
    """Refuses conditions that are not the protocol's.

    Raises:
        ValueError: Naming what differs.
    """
    found = protocol(name).differences(conditions, horizon)
    if found:
        told = (
            f"{field} {wanted}, not {given}" for field, (wanted, given) in found.items()
        )
        raise InputError(
            f"The protocol '{name}' has {'; '.join(told)}. Leave out what differs, or"
            " name no protocol."
        )
