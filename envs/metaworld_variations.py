"""From a task and the number of a variation to the vector that fixes an episode's start.

Meta-World places objects and goal of an episode by one random vector. Official vectors
are shipped as data; all others follow from the task's name and the variation's number.
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
"""Draws and bounds that ``scripts/metaworld_variations`` writes; arrays of numbers."""

NUM_OFFICIAL = 50
"""Goals that Meta-World draws for each task of a benchmark."""

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
"""Least horizontal distance of object and goal [m]; nearer vectors are drawn anew.

The rule stands in each task's ``reset_model``, where a nearer vector would loop for
ever once Meta-World's draw is frozen.
"""

_SWEEP_INTO_GOAL = np.array([0.0, 0.84])


@functools.cache
def _arrays() -> dict[str, Vector]:
    with np.load(FILE, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _unpadded(vector: Vector) -> Vector:
    return vector[~np.isnan(vector)]


def bounds(task: str) -> tuple[Vector, Vector]:
    """Least and greatest vector of a task [m]; shapes (3,) or (6,)."""
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
    """The vector of a ``fresh`` or ``train`` variation; shape (3,) or (6,).

    Uniform within the task's bounds among the vectors that Meta-World accepts.
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
    """The variations of a task within a benchmark."""

    task: str
    """Name of the task."""
    official: str
    """Draw of ``DRAWS`` that holds its official goals."""
    official_test: str = ""
    """Draw of its official goals for testing, where it is trained on and held out."""

    @property
    def splits(self) -> dict[str, range]:
        """The variations of each split."""
        splits = {"official": OFFICIAL, "fresh": FRESH, "train": TRAIN}
        return splits | ({"official_test": OFFICIAL_TEST} if self.official_test else {})

    def goal_numbers(self, split: str) -> range:
        """The goals of a split, in order: each variation has its own.

        Raises:
            ValueError: If the split is unknown.
        """
        return find_split(self.splits, split)

    def goal_number(self, variation: Any) -> int:
        """The goal of a variation, which no other has.

        Raises:
            ValueError: If no split holds the variation.
        """
        return find_variation(self.splits, self.task, variation)

    def variations_of_goal(self, goal: Any) -> range:
        """The one variation of a goal.

        Raises:
            ValueError: If there is no goal of this number.
        """
        number = self.goal_number(goal)
        return range(number, number + 1)

    def hand(self, variation: Any) -> None:
        """None: the hand rests where Meta-World has it."""

    def vector(self, variation: Any) -> Vector:
        """The vector that fixes the start of a variation [m]; shape (3,) or (6,).

        Raises:
            ValueError: If no split holds the variation.
        """
        number = find_variation(self.splits, self.task, variation)
        if number in OFFICIAL:
            return _official_vector(self.official, self.task, number)
        if number in OFFICIAL_TEST:
            index = number - OFFICIAL_TEST.start
            return _official_vector(self.official_test, self.task, index)
        return drawn_vector(self.task, number)
