"""Order of the trials in a sequential comparison of two agents."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from robomtl.evaluation.trials import CHUNK, Chunk


@dataclass(frozen=True)
class TrialIndex:
    """Position of a trial in the plan."""

    chunk: int
    """Index of the chunk in the plan."""
    trial: int
    """Index of the trial in the chunk."""


@dataclass(frozen=True)
class Round:
    """One chunk of each task, after which the evidence is inspected."""

    chunks: tuple[int, ...]
    """Indices of the chunks in the plan, in the order they are played."""
    trials: tuple[TrialIndex, ...]
    """Positions of the trials in the order they count: one of each task in random order,
    then the next of each."""


def rounds_of(chunks: Sequence[Chunk], *, seed: int = 0) -> tuple[Round, ...]:
    """All trials of a plan in rounds that mix the tasks.

    If tasks were played one after the other, a verdict could rest on the first alone.

    Args:
        chunks: Chunks of the plan.
        seed: Seed of the order of the tasks.
    """
    generator = random.Random(seed)
    of_task: dict[str, list[int]] = {}
    for index, chunk in enumerate(chunks):
        of_task.setdefault(chunk.task, []).append(index)
    rounds = []
    for depth in range(max(len(indices) for indices in of_task.values())):
        left = [indices[depth] for indices in of_task.values() if depth < len(indices)]
        order = generator.sample(left, len(left))
        rounds.append(Round(tuple(order), _mixed(chunks, order, generator)))
    return tuple(rounds)


def _mixed(
    chunks: Sequence[Chunk], order: Sequence[int], generator: random.Random
) -> tuple[TrialIndex, ...]:
    return tuple(
        TrialIndex(chunk, trial)
        for trial in range(CHUNK)
        for chunk in generator.sample(order, len(order))
        if trial < len(chunks[chunk].trials)
    )
