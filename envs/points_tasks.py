"""Tasks of the suite of points, with their wordings."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from robomtl.task import Task


class Aim(NamedTuple):
    """Aim of a task: to bring an object to a goal."""

    thing: str
    """Name of the object that moves."""
    goal: str
    """Name of the object at the goal."""


AIMS = {
    "reach-red": Aim("point", "red"),
    "reach-green": Aim("point", "green"),
    "reach-blue": Aim("point", "blue"),
    "reach-flag": Aim("point", "flag"),
    "reach-ball": Aim("point", "ball"),
    "push-ball": Aim("ball", "flag"),
}
_NOUNS = {
    "red": "red target",
    "green": "green target",
    "blue": "blue target",
    "flag": "flag",
    "ball": "ball",
}
_REACH = (
    "reach the {}",
    "go to the {}",
    "move the point onto the {}",
    "bring the point to the {}",
    "touch the {}",
    "steer towards the {} and stop there",
)
_REACH_HELD_OUT = ("head over to the {}", "make your way to the {}")
_PUSH = (
    "push the ball to the flag",
    "shove the ball over to the flag",
    "move the ball onto the flag",
    "get behind the ball and drive it to the flag",
    "bring the ball to the flag",
    "nudge the ball until it lies at the flag",
)
_PUSH_HELD_OUT = ("roll the ball up to the flag", "make the ball end up at the flag")


def task_of(name: str) -> Task:
    """Task of a name, one of ``AIMS``."""
    aim = AIMS[name]
    if aim.thing == "ball":
        return Task(
            name=name,
            instructions=_PUSH,
            held_out_instructions=_PUSH_HELD_OUT,
            tier="medium",
        )
    noun = _NOUNS[aim.goal]
    return Task(
        name=name,
        instructions=tuple(wording.format(noun) for wording in _REACH),
        held_out_instructions=tuple(w.format(noun) for w in _REACH_HELD_OUT),
        tier="easy",
    )


_COLOURS_AND_FLAG = ("reach-red", "reach-green", "reach-blue", "reach-flag")
TRAIN = {
    "MT4": _COLOURS_AND_FLAG,
    "MT6": tuple(AIMS),
    "ML4": _COLOURS_AND_FLAG,
    **{name: (name,) for name in AIMS},
}
HELD_OUT = {"ML4": ("reach-ball", "push-ball")}

VARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "MT4": "reach the red, green or blue target or the flag; the default",
        "MT6": "the same, reach the ball, and push it to the flag",
        "ML4": "MT4, with reach-ball and push-ball held out",
        "two_robots": "reach the red or green target with either of two robots",
        **{name: f"only {name}" for name in AIMS},
    }
)
