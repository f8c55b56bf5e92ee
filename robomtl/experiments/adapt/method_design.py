"""The request for a comparison of methods: methods, shots, draws, controls and trials."""

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
"""Name of the method with which the others are compared."""
Control = Literal["none", "wrong_task", "wrong_variation", "shuffled_actions"]
"""Corruption of a support: none; demonstrations of another task; of another goal of the
task; or actions permuted over the steps of the support."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """Settings shared by all methods of a comparison."""

    shots: tuple[int, ...] = (1, 2, 5, 10, 25)
    """Numbers of demonstrations."""
    supports: int = 3
    """Draws of the demonstrations for each seed and number of shots."""
    steps: tuple[int, ...] = ()
    """Further numbers of gradient steps to try, at ``probe`` shots."""
    controls: tuple[Control, ...] = ()
    """Corrupted-support controls to run, at ``probe`` shots."""
    probe: int | None = None
    """Shots at which steps, controls and forgetting are measured; the fewest if None."""
    tasks: tuple[str, ...] | None = None
    """Held-out tasks to adapt to; all by default."""
    trials: int = 50
    """Trials of each task, the same for all methods."""
    retained: int = 0
    """Trials of each training task after adaptation to the first draw, to measure
    forgetting; 0 for none."""
    batch_size: int = 256
    """Batch size of a gradient step."""


@settings
@dataclass(frozen=True, kw_only=True)
class AdaptRequest(Design):
    """The request for a comparison of methods."""

    methods: Mapping[str, str]
    """Registered names of the methods, by label in the results."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Hyper-parameters that differ from the defaults, by label."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """Training objective of the policies to adapt, by label, for methods that accept any
    policy; ``cloning`` by default."""
    goals: int = 10
    """Number of goals of each task if goals are hidden."""
    seeds: int | None = None
    """Number of seeds of training, each with a policy of every objective; all available
    ones if None."""

    def __post_init__(self) -> None:
        """Checks the numbers and names.

        Raises:
            InputError: If a number is out of range or given twice, or a name is unknown.
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
                f"probe is {self.probe}, which is not among the shots"
                f" {', '.join(map(str, self.shots))}; give one of them."
            )

    @property
    def probed(self) -> int:
        """Shots at which steps, controls and forgetting are measured."""
        return min(self.shots) if self.probe is None else self.probe


Asked = AdaptRequest
"""Earlier name of ``AdaptRequest``."""


def configured(request: AdaptRequest) -> dict[str, Method]:
    """The methods with their hyper-parameters, by label.

    Raises:
        ValueError: If a method or one of its hyper-parameters is unknown.
    """
    for name in request.methods.values():
        METHODS.get(name)
    return {
        label: configure(name, request.settings.get(label, {}))
        for label, name in request.methods.items()
    }


def objectives(request: AdaptRequest, methods: Mapping[str, Method]) -> dict[str, str]:
    """The training objective of the policies that each method adapts, by label.

    Raises:
        InputError: If a requested objective is unknown, or not the one that the method
            requires.
    """
    by_label = {}
    for label, method in methods.items():
        wanted = request.policies.get(label)
        if wanted is not None:
            check_known("objective", wanted, OBJECTIVES.names())
        if method.objective and wanted not in (None, method.objective):
            raise InputError(
                f"The method {label} requires policies trained with {method.objective},"
                f" not with {wanted}."
            )
        by_label[label] = method.objective or wanted or PLAIN
    return by_label


def _check_numbers(name: str, numbers: tuple[int, ...]) -> None:
    for number in numbers:
        if number < 1:
            raise InputError(f"{name} contains {number}; give at least 1.")
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{name} names a number twice: {numbers}.")
