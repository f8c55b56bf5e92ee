"""Variations of Meta-World's tasks: the vector of initial positions for each number.

Meta-World places the objects and the goal of an episode by one random vector. Official
vectors are shipped as data; all others follow from the names of the task and the variation.
"""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robomtl.envs.metaworld_simulator import Vector
from robomtl.envs.metaworld_tasks import DRAWS, TASKS
from robomtl.splits import find_split, find_variation

FILE = Path(__file__).with_name("metaworld_variations.npz")
"""File of draws and bounds, written by ``scripts/metaworld_variations``."""

NUM_OFFICIAL = 50
"""Number of goals that Meta-World draws for each task of a benchmark."""

OFFICIAL = range(0, NUM_OFFICIAL)
OFFICIAL_TEST = range(NUM_OFFICIAL, 2 * NUM_OFFICIAL)
FRESH = range(1_000_000, 2_000_000)
TRAIN = range(2_000_000, 3_000_000)

_DISTANCES = {
    0.25: "box-close",
    0.15: "basketball coffee-pull coffee-push hand-insert pick-out-of-hole pick-place"
    " pick-place-wall push push-back push-wall reach reach-wall soccer sweep-into",
    0.1: "assembly disassemble peg-insert-side shelf-place stick-pull stick-push",
}

APART: dict[str, float] = {
    f"{name}-v3": distance
    for distance, names in _DISTANCES.items()
    for name in names.split()
}
"""Smallest horizontal distance of object and goal [m]; closer ones are drawn again.

The rule is part of each task's ``reset_model``, which would loop forever with a closer
vector once Meta-World's draw is frozen.
"""

_SWEEP_INTO_GOAL = np.array([0.0, 0.84])


@functools.cache
def _arrays() -> dict[str, Vector]:
    with np.load(FILE, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _unpadded(vector: Vector) -> Vector:
    return vector[~np.isnan(vector)]


def bounds(task: str) -> tuple[Vector, Vector]:
    """Lower and upper bounds of a task's vector [m]; (3,) or (6,) each."""
    index = TASKS.index(task)
    arrays = _arrays()
    return _unpadded(arrays["low"][index]), _unpadded(arrays["high"][index])


def far_enough(task: str, vector: Vector) -> bool:
    """Whether Meta-World accepts a vector or would draw another."""
    goal = _SWEEP_INTO_GOAL if task == "sweep-into-v3" else vector[-3:-1]
    return bool(np.linalg.norm(vector[:2] - goal) >= APART.get(task, 0.0))


def _official_vector(draw: str, task: str, index: int) -> Vector:
    return _unpadded(_arrays()[draw][DRAWS[draw].index(task), index])


def drawn_vector(task: str, variation: int) -> Vector:
    """Vector of a ``fresh`` or ``train`` variation [m]; (3,) or (6,).

    It is uniform within the task's bounds among the vectors that Meta-World accepts.
    """
    digest = hashlib.sha256(f"{task}/{variation}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    low, high = bounds(task)
    vector = generator.uniform(low, high)
    while not far_enough(task, vector):
        vector = generator.uniform(low, high)
    return vector


@dataclass(frozen=True)
class Variations:
    """Variations of a task within a benchmark."""

    task: str
    """Name of the task."""
    official: str
    """Name of the draw of its official goals; see ``DRAWS``."""
    official_test: str = ""
    """Name of the draw of its official test goals; empty if it is not also tested."""

    @property
    def splits(self) -> dict[str, range]:
        """Variations of each split."""
        splits = {"official": OFFICIAL, "fresh": FRESH, "train": TRAIN}
        return splits | ({"official_test": OFFICIAL_TEST} if self.official_test else {})

    def goal_numbers(self, split: str) -> range:
        """Goals of a split, in order; each variation has its own.

        Raises:
            ValueError: If the split is unknown.
        """
        return find_split(self.splits, split)

    def goal_number(self, variation: Any) -> int:
        """Goal of a variation, which no other variation has.

        Raises:
            ValueError: If no split has the variation.
        """
        return find_variation(self.splits, self.task, variation)

    def variations_of_goal(self, goal: Any) -> range:
        """Range of the only variation of a goal.

        Raises:
            ValueError: If there is no goal of this number.
        """
        number = self.goal_number(goal)
        return range(number, number + 1)

    def hand(self, variation: Any) -> None:
        """None, for Meta-World's own start of the hand."""

    def vector(self, variation: Any) -> Vector:
        """Vector of the initial positions of a variation [m]; (3,) or (6,).

        Raises:
            ValueError: If no split has the variation.
        """
        number = find_variation(self.splits, self.task, variation)
        if number in OFFICIAL:
            return _official_vector(self.official, self.task, number)
        if number in OFFICIAL_TEST:
            index = number - OFFICIAL_TEST.start
            return _official_vector(self.official_test, self.task, index)
        return drawn_vector(self.task, number)
