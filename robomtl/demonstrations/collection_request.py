"""The request to a suite's experts: all that the collected data depends on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from robomtl.demonstrations.driving import Labels
from robomtl.demonstrations.layout import Video
from robomtl.errors import InputError
from robomtl.ranges import check_seed, check_types
from robomtl.request import DEFINITION, plain
from robomtl.task import Suite, find_task

FORMAT = 1
"""To be raised when the same request comes to give other data or other files."""

_LATER = ("video", "policy", "labels", "first")
"""Fields that requests of earlier versions lack."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A data set that is to be collected; the same request gives the same data."""

    suite: str
    """Name of the suite."""
    options: Mapping[str, Any]
    """Options of the suite, plain data."""
    tasks: tuple[str, ...]
    """Names of the tasks, in the order of the data set."""
    split: str = "train"
    """Split of the suite from which variations are taken, in order."""
    episodes: int = 50
    """Successful episodes of each task."""
    noise: float = 0.0
    """Greatest deviation of the disturbance of an episode's actions, from 0 to 1."""
    undisturbed: int = 0
    """Trailing components of an action that are never disturbed, such as a gripper."""
    seed: int = 0
    """Seed of the disturbances."""
    settle: int = 5
    """Steps recorded after the one that first succeeds."""
    video: Video = "h264"
    """How images are stored."""
    policy: str = ""
    """Fingerprint of the policy that acts; empty where the experts act."""
    labels: Labels = "expert"
    """Whose actions are recorded; see ``Rollouts``."""
    first: int = 0
    """Place in the split of the first variation that is used."""
    definition: Mapping[str, Any] = field(default_factory=dict)
    """Definition of the suite, see ``definition_of``; empty if it declares none."""

    def __post_init__(self) -> None:
        """Checks the numbers and the tasks.

        Raises:
            InputError: If a number is out of range, or a task missing or named twice.
        """
        check_types(self)
        check_seed(self.seed)
        least_of = {"episodes": 1, "undisturbed": 0, "settle": 0, "first": 0}
        for name, least in least_of.items():
            value = getattr(self, name)
            if value < least:
                raise InputError(f"{name} is {value}; give at least {least}.")
        if not (math.isfinite(self.noise) and 0 <= self.noise <= 1):
            raise InputError(f"noise is {self.noise:g}; give a number from 0 to 1.")
        if not self.tasks:
            raise InputError("tasks is empty; name at least 1.")
        twice = [name for name in self.tasks if self.tasks.count(name) > 1]
        if twice:
            raise InputError(f"Task '{twice[0]}' is named twice; name it once.")

    def plain(self) -> dict[str, Any]:
        """The request as JSON gives it back."""
        fields = {"format": FORMAT, **plain(self)}
        if not self.definition:
            del fields[DEFINITION]
        for name in _LATER:  # As requests without these fields were.
            if fields[name] == getattr(type(self), name):
                del fields[name]
        return fields


def check_tasks(suite: Suite, request: Request) -> None:
    """Checks a request against the suite it is put to.

    Raises:
        InputError: If a task or the split is unknown or has too few variations, or if
            two tasks share an instruction.
    """
    tasks_by_instruction: dict[str, str] = {}
    for name in request.tasks:
        instruction = find_task(suite, name).instruction
        if instruction in tasks_by_instruction:
            raise InputError(
                f"Tasks '{tasks_by_instruction[instruction]}' and '{name}' have the same instruction, "
                f"'{instruction}', by which a data set tells tasks apart; collect them "
                "into different folders."
            )
        tasks_by_instruction[instruction] = name
        count = len(suite.variations(name, request.split))
        if count < request.first + request.episodes:
            most = max(count - request.first, 0)
            beyond = f" from the variation {request.first} on" * bool(request.first)
            raise InputError(
                f"'{name}' has {count} variations in the split '{request.split}' of"
                f" {suite.name}; request at most {most} episodes{beyond}."
            )
