"""Variations of which many share a goal and differ in all else of the start.

With Meta-World's own starts the hand begins at one place and each variation has a goal of
its own, so replaying a demonstration solves its variation again. Here a variation is a
goal and a start: the goal's number decides the goal, and the variation's number where
objects lie, in tasks whose goal is apart from them, and where the hand rests.

Within a split, ``variation = first + start * NUM_GOALS + goal``: the first ``NUM_GOALS``
variations have one goal each, the next the same goals in the same order, and so on.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from robomtl.envs.metaworld_simulator import Vector
from robomtl.envs.metaworld_tasks import HIDDEN_GOAL_TASKS
from robomtl.envs.metaworld_variations import (
    FRESH,
    NUM_OFFICIAL,
    TRAIN,
    Variations,
    bounds,
    far_enough,
)
from robomtl.envs.metaworld_variations import OFFICIAL_TEST as OFFICIAL_TEST_GOALS
from robomtl.errors import InputError
from robomtl.splits import find_split, find_variation

NUM_GOALS = NUM_OFFICIAL
"""Goals of each task in each split, as many as Meta-World trains ML1 on."""

OFFICIAL = range(0, 500_000)
OFFICIAL_TEST = range(500_000, 1_000_000)


@dataclass(frozen=True)
class VariedStarts:
    """The variations of a task: goals of ``Variations``, each with many starts.

    Goals are numbered by the first variation that has them. Those of ``official``,
    ``fresh`` and ``train`` are the goals of the variations of that number in
    ``Variations``.
    """

    one_start: Variations
    """The variations with one start each."""

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.one_start.task

    @property
    def splits(self) -> dict[str, range]:
        """The variations of each split."""
        splits = {"official": OFFICIAL, "fresh": FRESH, "train": TRAIN}
        tested = self.one_start.official_test
        return splits | ({"official_test": OFFICIAL_TEST} if tested else {})

    def goal_numbers(self, split: str) -> range:
        """The goals of a split, in order.

        Raises:
            ValueError: If the split is unknown.
        """
        return find_split(self.splits, split)[:NUM_GOALS]

    def goal_number(self, variation: Any) -> int:
        """The goal of a variation.

        Raises:
            ValueError: If no split holds the variation.
        """
        split = self._split_of(variation)
        return split[(int(variation) - split.start) % NUM_GOALS]

    def variations_of_goal(self, goal: Any) -> range:
        """The variations that share a goal.

        Raises:
            InputError: If there is no goal of this number.
        """
        if self.goal_number(goal) != goal:
            raise InputError(
                f"{goal!r} is no goal of '{self.task}' but a variation of goal"
                f" {self.goal_number(goal)}."
            )
        return range(int(goal), self._split_of(goal).stop, NUM_GOALS)

    def vector(self, variation: Any) -> Vector:
        """Where objects and goal of a variation are placed [m]; shape (3,) or (6,).

        Raises:
            ValueError: If no split holds the variation.
        """
        vector = self._goal_vector(self.goal_number(variation))
        if self.task not in HIDDEN_GOAL_TASKS:
            return vector
        generator = self._generator("object", variation)
        low, high = (bound[:3] for bound in bounds(self.task))
        moved = np.concatenate([generator.uniform(low, high), vector[3:]])
        # It ends, for the goal was drawn with an object far enough.
        while not far_enough(self.task, moved):
            moved[:3] = generator.uniform(low, high)
        return moved

    def hand(self, variation: Any) -> Vector:
        """Where the hand rests within its range, from 0 to 1 along each axis; (3,).

        Raises:
            ValueError: If no split holds the variation.
        """
        return self._generator("hand", variation).uniform(size=3)

    def _split_of(self, variation: Any) -> range:
        number = find_variation(self.splits, self.task, variation)
        return next(split for split in self.splits.values() if number in split)

    def _goal_vector(self, goal: int) -> Vector:
        if goal in OFFICIAL_TEST:
            goal += OFFICIAL_TEST_GOALS.start - OFFICIAL_TEST.start
        return self.one_start.vector(goal)

    def _generator(self, part: str, variation: Any) -> np.random.Generator:
        number = find_variation(self.splits, self.task, variation)
        name = f"{self.task}/{number}/{part}"
        digest = hashlib.sha256(name.encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "big"))
