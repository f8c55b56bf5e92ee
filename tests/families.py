"""Tiny policies by objective and seed, and hidden goals, for tests of methods."""

from dataclasses import dataclass

from robomtl.demonstrations import CollectionConfig, collect
from robomtl.envs.points import PointsSuite
from robomtl.execution.compute import Compute
from robomtl.training import TrainConfig, train

SUITE = PointsSuite(variant="ML4", horizon=40)


def grow(folder, *, seeds=(0,), steps=2):
    """A family of cloned policies after a few training steps, and their demonstrations."""
    data = collect(
        SUITE,
        folder / "demonstrations",
        config=CollectionConfig(episodes=4),
        compute=Compute(workers=1),
    )
    for seed in seeds:
        train(
            data,
            out=folder / "cloning" / f"seed-{seed}",
            policy="mlp",
            policy_config={"width": 32},
            config=TrainConfig(steps=steps, batch_size=8, seed=seed, threads=1),
        )
    return folder


@dataclass(frozen=True, kw_only=True)
class GoalsSuite(PointsSuite):
    """The suite points with hidden goals, shared by variations a hundred apart."""

    @property
    def goal(self):
        return None

    def goal_numbers(self, task, split):
        return self.variations(task, split)[:100]

    def goal_number(self, task, variation):
        return variation // 1_000_000 * 1_000_000 + variation % 100

    def variations_of_goal(self, task, goal):
        return range(goal, (goal // 1_000_000 + 1) * 1_000_000, 100)


@dataclass(frozen=True)
class Here:
    """An executor in this process, which stops as if killed after some items."""

    stop: int | None = None
    workers: int = 1

    def map(self, work, items, kind=type):
        for index, item in enumerate(items):
            if index == self.stop:
                raise KeyboardInterrupt
            yield index, work(item)
