"""The order in which two agents play trials until it is settled who is better."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from robomtl.evaluation.trials import CHUNK, Chunk


@dataclass(frozen=True)
class Place:
    """The position of a trial."""

    chunk: int
    """Index of the chunk in the plan."""
    trial: int
    """Index of the trial in the chunk."""


@dataclass(frozen=True)
class Round:
    """One chunk of each task: after it, evidence is looked at."""

    chunks: tuple[int, ...]
    """In the order they are played."""
    trials: tuple[Place, ...]
    """In the order they count: one of each task, shuffled, again and again."""


def rounds_of(chunks: Sequence[Chunk], *, seed: int = 0) -> tuple[Round, ...]:
    """All trials of a plan in rounds, the tasks mixed.

    Were tasks played one after the other, the first would be judged alone.

    Args:
        chunks: The plan.
        seed: Of the order of the tasks.
    """
    generator = random.Random(seed)
    of_task: dict[str, list[int]] = {}
    for place, chunk in enumerate(chunks):
        of_task.setdefault(chunk.task, []).append(place)
    rounds = []
    for depth in range(max(len(places) for places in of_task.values())):
        there = [places[depth] for places in of_task.values() if depth < len(places)]
        order = generator.sample(there, len(there))
        rounds.append(Round(tuple(order), _mixed(chunks, order, generator)))
    return tuple(rounds)


def _mixed(
    chunks: Sequence[Chunk], order: Sequence[int], generator: random.Random
) -> tuple[Place, ...]:
    return tuple(
        Place(chunk, trial)
        for trial in range(CHUNK)
        for chunk in generator.sample(order, len(order))
        if trial < len(chunks[chunk].trials)
    )
