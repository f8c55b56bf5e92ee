#!/usr/bin/env python
"""How often the 95 % intervals hold the true value, in worlds where that is known.

Success in a trial is drawn with a logit that is the sum of normal effects: of the task
(fixed), of the policy (a seed of training, the same in all tasks), of the policy in the
task, of the draw of demonstrations in the task, and of the trial's start, shared by all
policies. Every interval that robomtl prints is computed from such trials, again and
again; intended are 92 to 98 %, but for the error of the simulation. Then two equal policies play: how often is one of them
called worse in some task? Intended are 5 % at most. Ends with status 1 where that fails.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import tyro
from numpy.typing import NDArray

from robomtl.comparison.comparison import task_differences
from robomtl.comparison.paired import (
    Tally,
    difference_interval,
    mean_difference_interval,
)
from robomtl.comparison.seed_estimates import (
    improvement_estimate,
    iqm_difference,
    iqm_estimate,
    mean_estimate,
)
from robomtl.evaluation.statistics import Count, Interval, mean_interval, wilson
from robomtl.experiments.concluding import area_of, difference_of
from robomtl.experiments.crossed import Scores, compared, differences, success_interval

Tasks = dict[str, Scores]
Held = Mapping[str, tuple[float, float]]
"""By interval, the fraction of them that held the true value, and their mean width."""

_NODES = np.random.default_rng(0).normal(size=20_000)
_SHIFT = 0.3  # Of B's logits against those of A.


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is simulated."""

    repeats: int = 400
    """Simulated experiments of each world."""
    seed: int = 0
    """Of the simulation."""
    most: int = 10
    """Most seeds of training."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Where policies are trained and play; standard deviations are of logits."""

    tasks: int
    seeds: int = 1
    draws: int = 1
    trials: int = 50
    level: float = 1.0
    """Mean logit of the tasks, whose own standard deviation is 1."""
    seed: float = 0.25
    seed_task: float = 0.5
    draw: float = 0.0
    trial: float = 1.0

    def levels(self) -> NDArray[np.float64]:
        """The logit of each task; (task,)."""
        spread = np.linspace(-1.5, 1.5, self.tasks)
        return self.level + spread

    def trials_of(self, generator: np.random.Generator) -> NDArray[np.float64]:
        """The effect of each start; (task, 1, 1, 1, trial)."""
        return self.trial * generator.normal(size=(self.tasks, 1, 1, 1, self.trials))

    def play(
        self,
        generator: np.random.Generator,
        starts: NDArray[np.float64],
        shift: float = 0.0,
    ) -> Tasks:
        """The trials of policies that are trained anew, by task."""
        size = (self.seeds, self.draws, 1, 1)
        logits = (
            self.levels()[:, None, None, None, None]
            + shift
            + starts
            + self.seed * generator.normal(size=(1, self.seeds, 1, 1, 1))
            + self.seed_task * generator.normal(size=(self.tasks, self.seeds, 1, 1, 1))
            + self.draw * generator.normal(size=(self.tasks, 1, self.draws, 1, 1))
        )
        drawn = generator.random((self.tasks, *size[:3], self.trials))
        return _by_task((drawn < _expit(logits)).astype(np.float64))

    def rates(self, shift: float = 0.0) -> NDArray[np.float64]:
        """True success of each task over all that is drawn; (task,)."""
        variances = (self.seed, self.seed_task, self.draw, self.trial)
        spread = np.sqrt(sum(each**2 for each in variances))
        return np.array(
            [_expit(level + shift + spread * _NODES).mean() for level in self.levels()]
        )


class _Ledger:
    """Counts how often intervals hold the true values."""

    def __init__(self) -> None:
        self._held: dict[str, list[bool]] = {}
        self._width: dict[str, list[float]] = {}

    def note(self, name: str, interval: Interval, truth: float) -> None:
        """Enters an interval."""
        self._held.setdefault(name, []).append(interval.low <= truth <= interval.high)
        self._width.setdefault(name, []).append(interval.high - interval.low)

    def held(self) -> dict[str, tuple[float, float]]:
        """Fractions and widths, by name."""
        return {
            name: (fmean(some), fmean(self._width[name]))
            for name, some in self._held.items()
        }


def one_policy(world: World, repeats: int, generator: np.random.Generator) -> Held:
    """Intervals of an evaluation and of a paired comparison: of these policies alone."""
    ledger, world = _Ledger(), replace(world, seed=0.0, seed_task=0.0)
    ours, theirs = world.rates(), world.rates(_SHIFT)
    tiers = _tiers(world.tasks)
    for _ in range(repeats):
        starts = world.trials_of(generator)
        a, b = (world.play(generator, starts, shift) for shift in (0.0, _SHIFT))
        counts = [Count(int(x.sum()), x.size) for x in a.values()]
        for count, rate in zip(counts, ours, strict=True):
            ledger.note("task, Wilson", wilson(*count), rate)
        even = [1 / world.tasks] * world.tasks
        ledger.note("task mean", mean_interval(counts, even), ours.mean())
        ledger.note("tier mean", mean_interval(counts, tiers), float(tiers @ ours))
        tallies = [_tally(some) for some in differences(a, b).values()]
        for tally, rate in zip(tallies, ours - theirs, strict=True):
            ledger.note("task, paired", difference_interval(tally), rate)
        ledger.note(
            "mean, paired", mean_difference_interval(tallies), (ours - theirs).mean()
        )
    return ledger.held()


def several_seeds(world: World, repeats: int, generator: np.random.Generator) -> Held:
    """Intervals of a comparison of several seeds of training of each of two methods."""
    ledger = _Ledger()
    starts = world.trials_of(generator)
    means, iqms = (_true(world, generator, of) for of in (_mean, _iqm))
    won = _true(world, generator, _improvement, starts)[0]
    for _ in range(repeats):
        drawn = world.trials_of(generator)
        a, b = (world.play(generator, drawn, shift) for shift in (0.0, _SHIFT))
        ledger.note("seeds, mean", mean_estimate(a, 0.95).interval, means[0])
        ledger.note("seeds, IQM", iqm_estimate(a, 0.95).interval, iqms[0])
        found = iqm_difference(a, b, 0.95).interval
        ledger.note("seeds, IQM difference", found, iqms[0] - iqms[1])
        a, b = (world.play(generator, starts, shift) for shift in (0.0, _SHIFT))
        ledger.note("seeds, P(A > B)", improvement_estimate(a, b, 0.95).interval, won)
    return ledger.held()


def crossed(world: World, repeats: int, generator: np.random.Generator) -> Held:
    """Intervals of multitask (one draw) and adapt: seeds, draws and trials crossed."""
    ledger = _Ledger()
    ours, theirs = world.rates(), world.rates(_SHIFT)
    for _ in range(repeats):
        starts = world.trials_of(generator)
        a, b = (world.play(generator, starts, shift) for shift in (0.0, _SHIFT))
        ledger.note("crossed, mean", success_interval(a), ours.mean())
        both = differences(a, b)
        truth = (ours - theirs).mean()
        ledger.note("crossed, difference", compared(both).interval, truth)
        area = area_of({1: a, 4: b})
        assert area is not None
        ledger.note("crossed, area", area.interval, (ours.mean() + theirs.mean()) / 2)
        for place, task in enumerate(list(a)[:5]):
            ledger.note("crossed, task", success_interval({task: a[task]}), ours[place])
            found = compared({task: both[task]}).interval
            ledger.note("crossed, task difference", found, ours[place] - theirs[place])
    return ledger.held()


def false_alarms(
    world: World, repeats: int, generator: np.random.Generator
) -> dict[str, float]:
    """How often one of two equal methods is called worse in some task."""
    found: dict[str, list[bool]] = {"compare": [], "multitask, adapt": []}
    for _ in range(repeats):
        starts = world.trials_of(generator)
        a, b = (world.play(generator, starts) for _ in range(2))
        if world.seeds == 1:
            tallies = {task: _tally(some) for task, some in differences(a, b).items()}
            worse = [
                each.holm < 0.05 and each.difference < 0
                for each in task_differences(tallies).values()
            ]
            found["compare"].append(any(worse))
        difference = difference_of(a, b)
        assert difference is not None
        found["multitask, adapt"].append(bool(difference.worse))
    return {name: fmean(some) for name, some in found.items() if some}


def worlds(most: int) -> Iterator[tuple[Callable[..., Held], World]]:
    """What is simulated, and where."""
    for tasks in (10, 50):
        for level in (1.0, 3.0):
            yield one_policy, World(tasks=tasks, level=level)
            for seeds in (each for each in (2, 3, 5, 10) if each <= most):
                world = World(tasks=tasks, level=level, seeds=seeds)
                yield several_seeds, world
                yield crossed, replace(world, trials=20)
                draws = min(seeds, 5)  # One draw varies nothing: it is that draw alone.
                yield crossed, replace(world, trials=20, draws=draws, draw=0.5)


def main(benchmark: Benchmark) -> None:
    """Prints coverage and false alarms, and fails where they are not as intended."""
    generator, missed = np.random.default_rng(benchmark.seed), 0
    error = 2 * math.sqrt(0.05 * 0.95 / benchmark.repeats)  # Of the simulation.
    for simulated, world in worlds(benchmark.most):
        print(
            f"{simulated.__name__}: {world.tasks} tasks, {world.seeds} seeds,"
            f" {world.draws} draws, {world.trials} trials, level {world.level}"
        )
        for name, (part, width) in simulated(
            world, benchmark.repeats, generator
        ).items():
            good = 0.92 - error <= part <= 0.98 + error
            missed += not good
            mark = "" if good else "  <-- not within 92 to 98 %"
            print(f"  {name:26} {part:6.1%} wide {width:.3f}{mark}", flush=True)
    for seeds, level in ((1, 0.0), (1, 1.0), (2, 1.0), (5, 1.0)):
        world = World(tasks=50, level=level, seeds=seeds)
        if seeds == 1:  # Two policies that are equal, not two draws of a method.
            world = replace(world, seed=0.0, seed_task=0.0)
        rates = false_alarms(world, benchmark.repeats, generator)
        for name, part in rates.items():
            missed += part > 0.05 + error
            print(
                f"{name}: equal, worse somewhere of 50 tasks, {seeds} seeds {part:.1%}"
            )
    if missed:
        raise SystemExit(f"{missed} not as intended.")


def _true(
    world: World,
    generator: np.random.Generator,
    of: Callable[[Tasks, Tasks], NDArray[np.float64]],
    starts: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """What a statistic of both methods comes to with many seeds, on average."""
    many = replace(world, seeds=50)
    found = []
    for _ in range(40):
        there = many.trials_of(generator) if starts is None else starts
        a, b = (many.play(generator, there, shift) for shift in (0.0, _SHIFT))
        found.append(of(a, b))
    return np.mean(found, axis=0)


def _mean(a: Tasks, b: Tasks) -> NDArray[np.float64]:
    return np.array([mean_estimate(each, 0.95).value for each in (a, b)])


def _iqm(a: Tasks, b: Tasks) -> NDArray[np.float64]:
    return np.array([iqm_estimate(each, 0.95).value for each in (a, b)])


def _improvement(a: Tasks, b: Tasks) -> NDArray[np.float64]:
    return np.array([improvement_estimate(a, b, 0.95).value])


def _tiers(tasks: int) -> NDArray[np.float64]:
    """Weights of the mean of four tiers, the smallest of which has a tenth of tasks."""
    of_tier = [tasks // 2, tasks // 5, tasks // 5, tasks // 10]
    return np.concatenate([np.full(n, 1 / len(of_tier) / n) for n in of_tier])


def _tally(scores: Scores) -> Tally:
    a, b = int((scores > 0).sum()), int((scores < 0).sum())
    return Tally(0, a, b, scores.size - a - b)


def _by_task(scores: NDArray[np.float64]) -> Tasks:
    return {f"task-{place}": some for place, some in enumerate(scores)}


def _expit(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-logits)))


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
