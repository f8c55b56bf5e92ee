#!/usr/bin/env python
"""Simulated coverage of robomtl's 95 % intervals, in worlds with known true values.

Success in a trial is Bernoulli. Its logit is a sum of normal effects: the task (fixed), the
policy (a training seed, equal in all tasks), the policy in the task, the draw of
demonstrations and the goal in the task, and the initial state of the trial, which is shared
by all policies. Every interval that robomtl reports is computed from many such data sets. The
target is a coverage of 92 to 98 %.

False alarms are simulated with two equal policies: the fraction of experiments in which one
of them is called worse in some task. The target is at most 5 %.

Each result is reported with the standard error of the simulation. A target is met or missed
if the result is more than two standard errors on that side of the limits, and undecided
otherwise. The exit status is 1 if a target is missed.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Literal, get_args

import numpy as np
import tyro
from coverage_worlds import SHIFT, World, same_policy, true_improvement, true_iqms
from numpy.typing import NDArray

from robomtl.evaluation.statistics import Count, Interval, mean_interval, wilson
from robomtl.experiments.analysis import area_of, difference_of
from robomtl.experiments.compare.comparison import task_differences
from robomtl.experiments.crossed import Scores, compared, differences, success_interval
from robomtl.experiments.paired import (
    Tally,
    difference_interval,
    mean_difference_interval,
)
from robomtl.experiments.seed_estimates import (
    improvement_estimate,
    iqm_difference,
    iqm_estimate,
    mean_estimate,
)
from robomtl.files.durable import write_json

Target = Literal["met", "undecided", "missed"]

_LOW, _HIGH = 0.92, 0.98  # Target range of coverage.
_ALARMS = 0.05  # Largest target fraction of false alarms.


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Settings of the simulation."""

    repeats: int = 400
    """Simulated experiments in each world; 0 skips coverage."""
    alarms: int = 600
    """Simulated experiments with equal policies in each world; 0 skips false alarms."""
    tasks: tuple[int, ...] = (10, 50)
    """Numbers of tasks."""
    levels: tuple[float, ...] = (1.0, 3.0, 5.0)
    """Mean logits of the tasks; the defaults solve 67, 91 and 98 % of trials."""
    seed: int = 0
    """Seed of the simulation."""
    most: int = 10
    """Largest number of training seeds."""
    out: Path | None = None
    """JSON file for the table."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Result of a simulation: coverage of one kind of interval, or false alarms."""

    name: str
    """Kind of interval, or the compared commands for false alarms."""
    world: World
    """World in which trials were simulated."""
    fraction: float
    """Fraction of intervals that contain the true value, or of false alarms."""
    error: float
    """Standard error of the fraction, over repeats."""
    width: float | None
    """Mean width of the intervals; None for false alarms."""
    target: Target
    """Whether the target is met."""

    @property
    def line(self) -> str:
        """A row of the table."""
        width = "" if self.width is None else f"width {self.width:.3f}"
        fraction = f"{self.fraction:7.2%} ± {self.error:.2%}"
        return f"  {self.name:24} {fraction}  {width:12} {self.target}"


class _Ledger:
    """Counts how often intervals contain the true values."""

    def __init__(self) -> None:
        self._held: dict[str, list[list[bool]]] = {}
        self._width: dict[str, list[float]] = {}

    def note(
        self, name: str, *found: tuple[Interval, float] | tuple[Interval, np.float64]
    ) -> None:
        """Adds the intervals of one experiment, each with its true value."""
        held = [bool(x.low <= truth <= x.high) for x, truth in found]
        self._held.setdefault(name, []).append(held)
        self._width.setdefault(name, []).extend(x.high - x.low for x, _ in found)

    def figures(self, world: World) -> Iterator[Figure]:
        """A result for each kind of interval."""
        for name, held in self._held.items():
            fraction, error = _estimated([fmean(some) for some in held])
            yield Figure(
                name=name,
                world=world,
                fraction=fraction,
                error=error,
                width=fmean(self._width[name]),
                target=_judged(fraction, error, _LOW, _HIGH),
            )


Simulated = Callable[[World, int, np.random.Generator], Iterator[Figure]]


def one_policy(
    world: World, repeats: int, generator: np.random.Generator
) -> Iterator[Figure]:
    """Coverage of intervals of an evaluation and of a paired comparison of two policies."""
    ledger = _Ledger()
    ours, theirs = world.rates(), world.rates(SHIFT)
    gained = ours - theirs
    tiers, even = _tiers(world.tasks), [1 / world.tasks] * world.tasks
    for _ in range(repeats):
        starts = world.starts(generator)
        a, b = (world.play(generator, starts, shift) for shift in (0.0, SHIFT))
        counts = [Count(int(x.sum()), x.size) for x in a.values()]
        ledger.note("task", *zip((wilson(*each) for each in counts), ours, strict=True))
        ledger.note("task mean", (mean_interval(counts, even), ours.mean()))
        ledger.note(
            "tier mean", (mean_interval(counts, tiers.tolist()), float(tiers @ ours))
        )
        tallies = [_tally(some) for some in differences(a, b).values()]
        found = [difference_interval(tally) for tally in tallies]
        ledger.note("difference of a task", *zip(found, gained, strict=True))
        interval = mean_difference_interval(tallies)
        ledger.note("difference of means", (interval, gained.mean()))
    return ledger.figures(world)


def several_seeds(
    world: World, repeats: int, generator: np.random.Generator
) -> Iterator[Figure]:
    """Coverage of intervals of a comparison of two methods with several training seeds."""
    ledger = _Ledger()
    ours, (iqm_a, iqm_b) = world.rates().mean(), true_iqms(replace(world, seeds=50))
    starts, improvement = true_improvement(replace(world, seeds=50))
    for _ in range(repeats):
        drawn = world.starts(generator)
        a, b = (world.play(generator, drawn, shift) for shift in (0.0, SHIFT))
        ledger.note("mean", (mean_estimate(a, 0.95).interval, ours))
        ledger.note("IQM", (iqm_estimate(a, 0.95).interval, iqm_a))
        found = iqm_difference(a, b, 0.95).interval
        ledger.note("difference of IQM", (found, iqm_a - iqm_b))
        a, b = (world.play(generator, starts, shift) for shift in (0.0, SHIFT))
        found = improvement_estimate(a, b, 0.95).interval
        ledger.note("P(A > B)", (found, improvement))
    return ledger.figures(world)


def crossed(
    world: World, repeats: int, generator: np.random.Generator
) -> Iterator[Figure]:
    """Coverage of intervals of multitask (one draw) and adapt, with crossed effects."""
    ledger = _Ledger()
    ours, theirs = world.rates(), world.rates(SHIFT)
    gained = ours - theirs
    for _ in range(repeats):
        starts = world.starts(generator)
        a, b = (world.play(generator, starts, shift) for shift in (0.0, SHIFT))
        ledger.note("mean", (success_interval(a), ours.mean()))
        both = differences(a, b)
        ledger.note("difference of means", (compared(both).interval, gained.mean()))
        area = area_of({1: a, 4: b})
        assert area is not None
        ledger.note("area", (area.interval, (ours.mean() + theirs.mean()) / 2))
        few = list(a)[:: max(1, world.tasks // 5)]
        found = [success_interval({task: a[task]}) for task in few]
        at = [list(a).index(task) for task in few]
        ledger.note("task", *zip(found, ours[at], strict=True))
        found = [compared({task: both[task]}).interval for task in few]
        ledger.note("difference of a task", *zip(found, gained[at], strict=True))
    return ledger.figures(world)


def equal_policies(
    world: World, repeats: int, generator: np.random.Generator
) -> Iterator[Figure]:
    """Fraction of experiments in which one of two equal methods is called worse in a task."""
    found: dict[str, list[float]] = {}
    for _ in range(repeats):
        starts = world.starts(generator)
        a, b = (world.play(generator, starts) for _ in range(2))
        if world.seeds == 1:
            tallies = {task: _tally(some) for task, some in differences(a, b).items()}
            tasks = task_differences(tallies).values()
            worse = any(each.holm < 0.05 and each.difference < 0 for each in tasks)
            found.setdefault("compare", []).append(worse)
        difference = difference_of(a, b)
        assert difference is not None
        found.setdefault("multitask, adapt", []).append(bool(difference.worse))
    for name, alarms in found.items():
        fraction, error = _estimated(alarms)
        yield Figure(
            name=name,
            world=world,
            fraction=fraction,
            error=error,
            width=None,
            target=_judged(fraction, error, -np.inf, _ALARMS),
        )


def worlds(benchmark: Benchmark) -> Iterator[tuple[Simulated, World]]:
    """Simulations of coverage, and their worlds."""
    for tasks, level in product(benchmark.tasks, benchmark.levels):
        for trials in (20, 50):
            yield one_policy, same_policy(tasks, level, trials)
        for seeds in (each for each in (2, 3, 5, 10) if each <= benchmark.most):
            world = World(tasks=tasks, level=level, seeds=seeds)
            yield several_seeds, world
            yield crossed, replace(world, trials=20)
            draws = min(seeds, 5)  # A single draw has no variation.
            drawn = replace(world, draws=draws, draw=0.5, trials=20)
            yield crossed, drawn
            if seeds == 3:
                yield crossed, replace(drawn, goals=5, goal=0.5, trials=4)


def equal_worlds(most: int) -> Iterator[tuple[Simulated, World]]:
    """Simulations of false alarms, and their worlds."""
    for level in (0.0, 1.0, 3.0):
        yield equal_policies, same_policy(50, level, 50)
    for seeds in (each for each in (2, 5) if each <= most):
        yield equal_policies, World(tasks=50, seeds=seeds)


def main(benchmark: Benchmark) -> None:
    """Prints coverage and false alarms; exits with status 1 if a target is missed."""
    generator, figures = np.random.default_rng(benchmark.seed), []
    every = [(benchmark.repeats, *each) for each in worlds(benchmark)]
    every += [(benchmark.alarms, *each) for each in equal_worlds(benchmark.most)]
    for repeats, simulated, world in (each for each in every if each[0]):
        print(f"{simulated.__name__.replace('_', ' ')}: {_named(world)}")
        for figure in simulated(world, repeats, generator):
            print(figure.line, flush=True)
            figures.append({"simulated": simulated.__name__, **asdict(figure)})
    if benchmark.out is not None:
        write_json(benchmark.out, figures)
    counts = Counter(each["target"] for each in figures)
    print(", ".join(f"{counts[each]} {each}" for each in get_args(Target)))
    if counts["missed"]:
        raise SystemExit(1)


def _named(world: World) -> str:
    goals = f"{world.goals} goals, " if world.goals > 1 else ""
    return (
        f"{world.tasks} tasks, {world.seeds} seeds, {world.draws} draws, {goals}"
        f"{world.trials} trials, level {world.level:g}"
    )


def _estimated(values: list[float]) -> tuple[float, float]:
    """The mean of values from 0 to 1, and its standard error.

    A 0 and a 1 are added for the standard error, so that it is above 0 if all are equal.
    """
    spread = np.std([*values, 0.0, 1.0])
    return fmean(values), float(spread / np.sqrt(len(values)))


def _judged(fraction: float, error: float, low: float, high: float) -> Target:
    if low <= fraction - 2 * error and fraction + 2 * error <= high:
        return "met"
    if fraction + 2 * error < low or fraction - 2 * error > high:
        return "missed"
    return "undecided"


def _tiers(tasks: int) -> NDArray[np.float64]:
    """Weight of each task in the mean over four tiers, the smallest with 1/10 of tasks."""
    of_tier = [tasks // 2, tasks // 5, tasks // 5, tasks // 10]
    return np.concatenate([np.full(n, 1 / len(of_tier) / n) for n in of_tier])


def _tally(scores: Scores) -> Tally:
    a, b = int((scores > 0).sum()), int((scores < 0).sum())
    return Tally(0, a, b, scores.size - a - b)


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
