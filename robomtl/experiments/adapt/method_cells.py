"""The cells of a comparison of methods: adapted policies and their trials."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from robomtl.adaptation.method import Method
from robomtl.experiments.adapt.adaptation_problems import Problem
from robomtl.experiments.adapt.family import Family
from robomtl.experiments.adapt.method_design import AdaptRequest, Control, objectives
from robomtl.experiments.cells import Cell, Factors
from robomtl.task import Suite, Trial
from robomtl.training.objective import trains_actions


def uses_support(method: Method) -> bool:
    """Whether a method uses its support, so that shots and draws matter."""
    return bool(getattr(method, "uses_support", True))


@dataclass(frozen=True, kw_only=True)
class MethodCell(Cell):
    """A policy adapted to one problem by one method, with its trials."""

    run: str
    """Run directory of the policy."""
    objective: str
    """Objective of the policy's training."""
    seed: int
    """Seed of the policy's training."""
    method: str = ""
    """Label of the method; empty for the policy before adaptation."""
    problem: Problem | None = None
    """The problem to adapt to; None for the policy before adaptation."""
    shots: int = 0
    """Number of demonstrations; 0 if the method uses none."""
    draw: int = 0
    """Index of the draw of the support."""
    steps: int | None = None
    """Gradient steps; those of the method if None."""
    control: Control = "none"
    """Corruption of the support."""
    retained: int = 0
    """Trials of each training task, to measure forgetting; they come last."""

    @property
    def task(self) -> str:
        """Name of the task adapted to; empty for the policy before adaptation."""
        return self.problem.task if self.problem else ""

    @property
    def query(self) -> int:
        """Number of trials of the problem."""
        return len(self.problem.variations) if self.problem else 0

    @property
    def factors(self) -> Factors:
        """Factors in which adaptations differ."""
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
        """The factors and ``kind``: ``query`` (new task) or ``retained`` (training task)."""
        kind = "query" if place < self.query else "retained"
        return {"kind": kind, **self.factors}

    @property
    def _adaptation(self) -> str:
        """Name of the adaptation, which does not depend on the rest of the comparison."""
        known = self.factors
        names = ("seed", "method", "adapted_to", "goal", "shots", "draw", "steps")
        return "/".join(str(known[name]) for name in (*names, "control"))

    @property
    def name(self) -> str:
        """Objective, adaptation and retained trials."""
        return f"{self.objective}/{self._adaptation}/{self.retained}"

    @property
    def label(self) -> str:
        """Label of the method."""
        return self.method

    @property
    def kind(self) -> str:
        """Task of the cell: a process keeps its envs, which are slow to build."""
        return self.task

    @property
    def random_seed(self) -> int:
        """Seed of all random numbers of the adaptation: a 32-bit hash of its name."""
        return zlib.crc32(self._adaptation.encode())


def plan(
    request: AdaptRequest,
    methods: Mapping[str, Method],
    family: Family,
    seeds: tuple[int, ...],
    problems: tuple[Problem, ...],
    suite: Suite,
) -> tuple[MethodCell, ...]:
    """The cells, grouped by problem; policies before adaptation come last.

    A method that uses no demonstrations has one cell for all shots and draws. A policy that
    was only pre-trained has no retained trials, since it solves no task yet.
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
    """The cells of one method, seed and problem."""
    draws = range(request.supports) if uses_support(method) else (0,)
    for shots in request.shots if uses_support(method) else (0,):
        probed = shots in (request.probed, 0)
        for draw in draws:
            cell = replace(first, shots=shots, draw=draw, retained=0)
            yield replace(cell, retained=first.retained if probed and draw == 0 else 0)
            for steps, control in _probes(request, method) if probed else ():
                yield replace(cell, steps=steps, control=control)


def trials_of(suite: Suite, cell: MethodCell) -> tuple[Trial, ...]:
    """The trials of a cell: those of its problem, then those of each training task."""
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
    """Pairs of steps and control to try with a method."""
    if method.steps:
        for steps in request.steps:
            yield steps, "none"
    if uses_support(method):
        for control in request.controls:
            yield None, control
