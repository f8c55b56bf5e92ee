"""Simulated worlds with known true success of policies, for benchmark_coverage.py."""

from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from robomtl.experiments.crossed import Scores
from robomtl.experiments.seed_estimates import improvement_estimate, iqm_estimate

Tasks = dict[str, Scores]

SHIFT = 0.3  # Difference of B's logits from A's.
_NODES = np.random.default_rng(0).normal(size=20_000)


@dataclass(frozen=True, kw_only=True)
class World:
    """A model of policies' success; standard deviations are of logits."""

    tasks: int
    """Number of tasks."""
    seeds: int = 1
    """Number of training seeds."""
    draws: int = 1
    """Number of draws of demonstrations."""
    goals: int = 1
    """Number of goals of each task."""
    trials: int = 50
    """Trials of each goal."""
    level: float = 1.0
    """Mean logit of the tasks, whose logits are spaced evenly up to 1.5 below and above."""
    seed: float = 0.25
    """Standard deviation of the effect of a seed on all tasks."""
    seed_task: float = 0.5
    """Standard deviation of the effect of a seed on one task."""
    draw: float = 0.0
    """Standard deviation of the effect of a draw of demonstrations of a task."""
    goal: float = 0.0
    """Standard deviation of the effect of a goal of a task."""
    trial: float = 1.0
    """Standard deviation of the effect of an initial state."""

    def levels(self) -> NDArray[np.float64]:
        """The logit of each task; (task,)."""
        return self.level + np.linspace(-1.5, 1.5, self.tasks)

    def starts(self, generator: np.random.Generator) -> NDArray[np.float64]:
        """Draws the effects of goals and initial states; (task, 1, 1, goal, trial)."""
        size = (self.tasks, 1, 1, self.goals, self.trials)
        goals = self.goal * generator.normal(size=(*size[:4], 1))
        return np.asarray(goals + self.trial * generator.normal(size=size))

    def play(
        self,
        generator: np.random.Generator,
        starts: NDArray[np.float64],
        shift: float = 0.0,
    ) -> Tasks:
        """Draws newly trained policies and the success of their trials, by task."""
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
        """True success rate of each task, over all random effects; (task,)."""
        effects = (self.seed, self.seed_task, self.draw, self.goal, self.trial)
        spread = np.sqrt(sum(each**2 for each in effects))
        logits = self.levels()[:, None] + shift + spread * _NODES
        return np.asarray(expit(logits).mean(axis=1))


def same_policy(tasks: int, level: float, trials: int) -> World:
    """A world in which policies are fixed, not drawn."""
    return World(tasks=tasks, level=level, trials=trials, seed=0.0, seed_task=0.0)


@lru_cache
def true_iqms(world: World) -> tuple[float, float]:
    """The true interquartile means of both methods, estimated from many seeds."""
    generator, found = np.random.default_rng(1), []
    for _ in range(40):
        starts = world.starts(generator)
        both = (world.play(generator, starts, shift) for shift in (0.0, SHIFT))
        found.append([iqm_estimate(each, 0.95).value for each in both])
    a, b = np.mean(found, axis=0)
    return float(a), float(b)


@lru_cache
def true_improvement(world: World) -> tuple[NDArray[np.float64], float]:
    """Effects of initial states, and the true probability that A beats B on them."""
    generator = np.random.default_rng(2)
    starts = world.starts(generator)
    found = []
    for _ in range(40):
        a, b = (world.play(generator, starts, shift) for shift in (0.0, SHIFT))
        found.append(improvement_estimate(a, b, 0.95).value)
    return starts, fmean(found)


def _by_task(scores: NDArray[np.float64]) -> Tasks:
    return {f"task-{index}": some for index, some in enumerate(scores)}
