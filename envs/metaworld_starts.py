"""Variations with many starts for each goal.

With Meta-World's own starts, the hand always begins at the same position and each variation
has its own goal, so replaying a demonstration solves its variation again. Here a variation
is a goal and a start: the number of the goal determines the goal; the number of the
variation determines the start of the hand and, in tasks whose goal is independent of them,
of the objects.

Within a split, ``variation = first + start * NUM_GOALS + goal``: the first ``NUM_GOALS``
variations have different goals, the next have the same goals in the same order, and so on.
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
"""Number of goals of each task in each split, as in Meta-World's ML1."""

OFFICIAL = range(0, 500_000)
OFFICIAL_TEST = range(500_000, 1_000_000)


@dataclass(frozen=True)
class VariedStarts:
    """Variations of a task: goals of ``Variations``, each with many starts.

    Goals are numbered by the first variation that has them. In ``official``, ``fresh`` and
    ``train``, the goal of a number is that of the same variation in ``Variations``.
    """

    one_start: Variations
    """Variations with one start for each goal."""

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.one_start.task

    @property
    def splits(self) -> dict[str, range]:
        """Variations of each split."""
        splits = {"official": OFFICIAL, "fresh": FRESH, "train": TRAIN}
        tested = self.one_start.official_test
        return splits | ({"official_test": OFFICIAL_TEST} if tested else {})

    def goal_numbers(self, split: str) -> range:
        """Goals of a split, in order.

        Raises:
            ValueError: If the split is unknown.
        """
        return find_split(self.splits, split)[:NUM_GOALS]

    def goal_number(self, variation: Any) -> int:
        """Goal of a variation.

        Raises:
            ValueError: If no split has the variation.
        """
        split = self._split_of(variation)
        return split[(int(variation) - split.start) % NUM_GOALS]

    def variations_of_goal(self, goal: Any) -> range:
        """Variations that share a goal.

        Raises:
            InputError: If there is no goal of this number.
        """
        if self.goal_number(goal) != goal:
            raise InputError(
                f"{goal!r} is not a goal of '{self.task}', but a variation of goal"
                f" {self.goal_number(goal)}."
            )
        return range(int(goal), self._split_of(goal).stop, NUM_GOALS)

    def vector(self, variation: Any) -> Vector:
        """Meta-World's positions of objects and goal of a variation [m]; (3,) or (6,).

        Raises:
            ValueError: If no split has the variation.
        """
        vector = self._goal_vector(self.goal_number(variation))
        if self.task not in HIDDEN_GOAL_TASKS:
            return vector
        generator = self._generator("object", variation)
        low, high = (bound[:3] for bound in bounds(self.task))
        moved = np.concatenate([generator.uniform(low, high), vector[3:]])
        # This ends, as the goal was drawn together with an object that is far enough.
        while not far_enough(self.task, moved):
            moved[:3] = generator.uniform(low, high)
        return moved

    def hand(self, variation: Any) -> Vector:
        """Start of the hand, relative to its range, from 0 to 1 along each axis; (3,).

        Raises:
            ValueError: If no split has the variation.
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
