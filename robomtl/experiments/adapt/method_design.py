"""The design of a comparison of methods, and its cells."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from robomtl.adaptation.adapting import configure
from robomtl.adaptation.method import METHODS, Budget, Method
from robomtl.errors import InputError
from robomtl.experiments.adapt.benchmark import Problem
from robomtl.experiments.adapt.family import PLAIN, Family
from robomtl.experiments.cells import Cell, Factors
from robomtl.nearest import check_known
from robomtl.ranges import (
    check_counts,
    check_not_negative,
    check_repetitions,
    check_types,
)
from robomtl.task import Suite, Trial
from robomtl.training.objective import OBJECTIVES, trains_actions

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
        for name in ("shots", "steps"):
            _check_numbers(name, getattr(self, name))
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


def looks(method: Method) -> bool:
    """Whether a method looks at its support, so that shots and draws matter."""
    return bool(getattr(method, "looks_at_support", True))


@dataclass(frozen=True, kw_only=True)
class MethodCell(Cell):
    """One policy adapted to one problem by one method, and its trials."""

    run: str
    """Run directory of the policy."""
    objective: str
    """Objective of its training."""
    seed: int
    """Seed of its training."""
    method: str = ""
    """Label of the method; empty for the policy as it was trained."""
    problem: Problem | None = None
    """The problem adapted to; None for the policy as it was trained."""
    shots: int = 0
    """Demonstrations; 0 where the method reads none."""
    draw: int = 0
    """Number of the draw of the support."""
    steps: int | None = None
    """Gradient steps; those of the method if None."""
    control: Control = "none"
    """Corruption of the support."""
    retained: int = 0
    """Trials of each training task, which measure forgetting; they come last."""

    @property
    def task(self) -> str:
        """Name of the task adapted to; empty for the policy as it was trained."""
        return self.problem.task if self.problem else ""

    @property
    def query(self) -> int:
        """Number of its trials that are of its problem."""
        return len(self.problem.variations) if self.problem else 0

    @property
    def factors(self) -> Factors:
        """The factors in which adaptations differ."""
        return {
            "adapted_to": self.task,
            "goal": self.problem.goal if self.problem else None,
            "seed": self.seed,
            "method": self.method,
            "objective": self.objective,
            "shots": self.shots,
            "draw": self.draw,
            "steps": self.steps,
            "control": self.control,
        }

    def factors_of(self, place: int) -> Factors:
        """``kind`` is ``query`` in the task adapted to, ``retained`` in one trained on."""
        kind = "query" if place < self.query else "retained"
        return {"kind": kind, **self.factors}

    @property
    def _adaptation(self) -> str:
        """The adaptation in words: the same whatever else is compared."""
        known = self.factors
        names = ("seed", "method", "adapted_to", "goal", "shots", "draw", "steps")
        return "/".join(str(known[name]) for name in (*names, "control"))

    @property
    def name(self) -> str:
        """Objective, adaptation and retained trials."""
        return f"{self.objective}/{self._adaptation}/{self.retained}"

    @property
    def label(self) -> str:
        """The method."""
        return self.method

    @property
    def kind(self) -> str:
        """The task, whose envs are slow to build."""
        return self.task

    @property
    def random_seed(self) -> int:
        """The seed of every random number of the adaptation: 32 bits of its name."""
        return zlib.crc32(self._adaptation.encode())


def plan(
    request: AdaptRequest,
    methods: Mapping[str, Method],
    family: Family,
    seeds: tuple[int, ...],
    problems: tuple[Problem, ...],
    suite: Suite,
) -> tuple[MethodCell, ...]:
    """The cells, problem by problem; policies as they were trained come last.

    A method that reads no demonstration has one cell for all shots and draws. A policy that
    was only pre-trained solves no task that it could forget.
    """
    needed = objectives(request, methods)
    before = {
        (objective, seed): MethodCell(
            trials=(),
            run=str(family.of(objective)[seed].run),
            objective=objective,
            seed=seed,
            retained=request.retained if trains_actions(objective) else 0,
        )
        for objective in sorted({*needed.values()})
        for seed in seeds
    }
    cells = [
        cell
        for problem in problems
        for label, method in methods.items()
        for seed in seeds
        for cell in _of_method(
            request,
            method,
            replace(before[needed[label], seed], method=label, problem=problem),
        )
    ]
    cells += [cell for cell in before.values() if cell.retained]
    return tuple(replace(cell, trials=trials_of(suite, cell)) for cell in cells)


def _of_method(
    request: AdaptRequest, method: Method, first: MethodCell
) -> Iterator[MethodCell]:
    """The cells of a method, seed and problem."""
    draws = range(request.supports) if looks(method) else (0,)
    for shots in request.shots if looks(method) else (0,):
        probed = shots in (request.probed, 0)
        for draw in draws:
            cell = replace(first, shots=shots, draw=draw, retained=0)
            yield replace(cell, retained=first.retained if probed and draw == 0 else 0)
            for steps, control in _probes(request, method) if probed else ():
                yield replace(cell, steps=steps, control=control)


def trials_of(suite: Suite, cell: MethodCell) -> tuple[Trial, ...]:
    """The trials of a cell: of its problem, then of each training task."""
    variations = cell.problem.variations if cell.problem else ()
    query = (Trial(suite.name, cell.task, variation) for variation in variations)
    retained = (
        Trial(suite.name, task.name, variation)
        for task in (suite.train_tasks if cell.retained else ())
        for variation in suite.variations(task.name, "fresh")[: cell.retained]
    )
    return (*query, *retained)


def _probes(
    request: AdaptRequest, method: Method
) -> Iterator[tuple[int | None, Control]]:
    """Steps and controls to try with a method."""
    if method.steps:
        for steps in request.steps:
            yield steps, "none"
    if looks(method):
        for control in request.controls:
            yield None, control


def _check_numbers(name: str, numbers: tuple[int, ...]) -> None:
    if name == "steps":
        for number in numbers:
            Budget(steps=number)
    for number in numbers:
        if number < 1:
            raise InputError(f"{name} holds {number}; give at least 1.")
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{name} names a number twice: {numbers}.")
