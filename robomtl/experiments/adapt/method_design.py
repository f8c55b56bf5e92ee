"""The design of a comparison of methods: what is compared, and on what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from robomtl.adaptation.adapting import configure
from robomtl.adaptation.method import METHODS, Budget, Method
from robomtl.errors import InputError
from robomtl.experiments.adapt.family import PLAIN
from robomtl.nearest import check_known
from robomtl.ranges import (
    check_counts,
    check_not_negative,
    check_repetitions,
    check_types,
    settings,
)
from robomtl.training.objective import OBJECTIVES

BASELINE = "scratch"
"""The method the others are compared with."""
Control = Literal["none", "wrong_task", "wrong_variation", "shuffled_actions"]
"""Corruption of a support: none; it shows another task, or another goal of the task; or
its actions stand at other states of it than those they were taken at."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """Settings that are equal for all methods of a comparison."""

    shots: tuple[int, ...] = (1, 2, 5, 10, 25)
    """Numbers of demonstrations."""
    supports: int = 3
    """Draws of the demonstrations for each seed and number."""
    steps: tuple[int, ...] = ()
    """Gradient steps to try as well, at ``probe`` shots."""
    controls: tuple[Control, ...] = ()
    """Wrong supports to try as well, at ``probe`` shots."""
    probe: int | None = None
    """Shots at which steps, controls and forgetting are measured; the fewest if none."""
    tasks: tuple[str, ...] | None = None
    """Held-out tasks to adapt to; all by default."""
    trials: int = 50
    """Trials of each task, the same for all methods."""
    retained: int = 0
    """Trials of each training task after the first draw, to measure forgetting, or 0 for
    none."""
    batch_size: int = 256
    """Samples in a gradient step."""


@settings
@dataclass(frozen=True, kw_only=True)
class AdaptRequest(Design):
    """The request for a comparison of methods."""

    methods: Mapping[str, str]
    """Registered names of methods, by the labels that results show."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Hyper-parameters that differ from the defaults, by label."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """Objectives of the policies that methods are to take which take any, by label;
    those of cloning where none is given."""
    goals: int = 10
    """Goals of each task, where they are hidden."""
    seeds: int | None = None
    """Seeds of training, each a policy of every objective; all there are if None."""

    def __post_init__(self) -> None:
        """Checks the numbers and names.

        Raises:
            InputError: If a number allows nothing or is given twice, or a name is
                unknown.
        """
        check_types(self)
        if not self.methods:
            raise InputError("No method was named; name at least 1.")
        for label in (*self.settings, *self.policies):
            check_known("method to set", label, self.methods)
        _check_numbers("shots", self.shots)
        for number in self.steps:
            Budget(steps=number)
        _check_numbers("steps", self.steps)
        if not self.shots:
            raise InputError("No number of shots was given; give at least 1.")
        check_counts(self, "trials", "goals")
        check_repetitions(self, "supports", *(() if self.seeds is None else ("seeds",)))
        Budget(batch_size=self.batch_size)
        check_not_negative(self, "retained")
        for control in self.controls:
            check_known("control", control, get_args(Control)[1:])
        if self.probe is not None and self.probe not in self.shots:
            raise InputError(
                f"probe is {self.probe}, none of the shots"
                f" {', '.join(map(str, self.shots))}; give one of them."
            )

    @property
    def probed(self) -> int:
        """Shots at which steps, controls and forgetting are measured."""
        return min(self.shots) if self.probe is None else self.probe


Asked = AdaptRequest
"""Its earlier name."""


def configured(request: AdaptRequest) -> dict[str, Method]:
    """The methods, by label.

    Raises:
        ValueError: If one is unknown or has no such hyper-parameter.
    """
    for name in request.methods.values():
        METHODS.get(name)
    return {
        label: configure(name, request.settings.get(label, {}))
        for label, name in request.methods.items()
    }


def objectives(request: AdaptRequest, methods: Mapping[str, Method]) -> dict[str, str]:
    """The objective that each method's policies are trained with, by label.

    Raises:
        InputError: If a method is to take a policy that it cannot, or of an unknown
            objective.
    """
    found = {}
    for label, method in methods.items():
        wanted = request.policies.get(label)
        if wanted is not None:
            check_known("objective", wanted, OBJECTIVES.names())
        if method.objective and wanted not in (None, method.objective):
            raise InputError(
                f"The method {label} takes policies trained with {method.objective}, not"
                f" with {wanted}."
            )
        found[label] = method.objective or wanted or PLAIN
    return found


def _check_numbers(name: str, numbers: tuple[int, ...]) -> None:
    for number in numbers:
        if number < 1:
            raise InputError(f"{name} holds {number}; give at least 1.")
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{name} names a number twice: {numbers}.")
