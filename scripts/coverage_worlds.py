"""Worlds in which the true success of policies is known, for benchmark_coverage.py."""

from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from robomtl.experiments.crossed import Scores
from robomtl.experiments.seed_estimates import improvement_estimate, iqm_estimate

Tasks = dict[str, Scores]

SHIFT = 0.3  # Of B's logits against those of A.
_NODES = np.random.default_rng(0).normal(size=20_000)


@dataclass(frozen=True, kw_only=True)
class World:
    """Where policies are trained and play; standard deviations are of logits."""

    tasks: int
    seeds: int = 1
    draws: int = 1
    goals: int = 1
    trials: int = 50
    """Trials of each goal."""
    level: float = 1.0
    """Mean logit of the tasks; theirs lie evenly up to 1.5 below and above."""
    seed: float = 0.25
    """Standard deviation of the effect of a seed on all tasks."""
    seed_task: float = 0.5
    """Standard deviation of the effect of a seed on one task."""
    draw: float = 0.0
    """Standard deviation of the effect of a draw of demonstrations of a task."""
    goal: float = 0.0
    """Standard deviation of the effect of a goal of a task."""
    trial: float = 1.0
    """Standard deviation of the effect of a start."""

    def levels(self) -> NDArray[np.float64]:
        """The logit of each task; (task,)."""
        return self.level + np.linspace(-1.5, 1.5, self.tasks)

    def starts(self, generator: np.random.Generator) -> NDArray[np.float64]:
        """The effects of goals and starts; (task, 1, 1, goal, trial)."""
        size = (self.tasks, 1, 1, self.goals, self.trials)
        goals = self.goal * generator.normal(size=(*size[:4], 1))
        return np.asarray(goals + self.trial * generator.normal(size=size))

    def play(
        self,
        generator: np.random.Generator,
        starts: NDArray[np.float64],
        shift: float = 0.0,
    ) -> Tasks:
        """The trials of policies that are trained anew, by task."""
        logits = (
            self.levels()[:, None, None, None, None]
            + shift
            + starts
            + self.seed * generator.normal(size=(1, self.seeds, 1, 1, 1))
            + self.seed_task * generator.normal(size=(self.tasks, self.seeds, 1, 1, 1))
            + self.draw * generator.normal(size=(self.tasks, 1, self.draws, 1, 1))
        )
        solved = generator.random(logits.shape) < expit(logits)
        return _by_task(solved.astype(np.float64))

    def rates(self, shift: float = 0.0) -> NDArray[np.float64]:
        """True success of each task over all that is drawn; (task,)."""
        effects = (self.seed, self.seed_task, self.draw, self.goal, self.trial)
        spread = np.sqrt(sum(each**2 for each in effects))
        logits = self.levels()[:, None] + shift + spread * _NODES
        return np.asarray(expit(logits).mean(axis=1))


def same_policy(tasks: int, level: float, trials: int) -> World:
    """A world in which policies are given, not drawn."""
    return World(tasks=tasks, level=level, trials=trials, seed=0.0, seed_task=0.0)


@lru_cache
def true_iqms(world: World) -> tuple[float, float]:
    """The interquartile means of both methods, of many seeds."""
    generator, found = np.random.default_rng(1), []
    for _ in range(40):
        starts = world.starts(generator)
        both = (world.play(generator, starts, shift) for shift in (0.0, SHIFT))
        found.append([iqm_estimate(each, 0.95).value for each in both])
    a, b = np.mean(found, axis=0)
    return float(a), float(b)


@lru_cache
def true_improvement(world: World) -> tuple[NDArray[np.float64], float]:
    """Starts, and how often a seed of A beats one of B on them, of many seeds."""
    generator = np.random.default_rng(2)
    starts = world.starts(generator)
    found = []
    for _ in range(40):
        a, b = (world.play(generator, starts, shift) for shift in (0.0, SHIFT))
        found.append(improvement_estimate(a, b, 0.95).value)
    return starts, fmean(found)


def _by_task(scores: NDArray[np.float64]) -> Tasks:
    return {f"task-{place}": some for place, some in enumerate(scores)}
