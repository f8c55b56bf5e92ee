"""Trials of an evaluation, divided into chunks before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from robomtl.acting.actor import TaskInfo
from robomtl.errors import InputError
from robomtl.task import (
    Suite,
    Task,
    Trial,
    find_task,
    one_env_per_process,
    training_tasks,
)

CHUNK = 10
"""Largest number of trials of a chunk, and number of rows of its batch, which is constant
because a forward pass over another number of rows may round differently."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Trials of one task that run in lockstep: the unit of work, journal and retry.

    The row of a trial depends only on its index among the trials of its task, so neither
    other tasks nor the number of processes can change its outcome.
    """

    task: str
    """Name of the task."""
    trials: tuple[Trial, ...]
    """Trials, at most ``CHUNK``."""
    task_infos: tuple[TaskInfo, ...]
    """Task information that the actor is conditioned on in each trial."""

    @property
    def kind(self) -> str:
        """Name of the task, whose envs are slow to build."""
        return self.task

    @property
    def label(self) -> str:
        """Empty label, as the progress line counts trials."""
        return ""

    @property
    def units(self) -> int:
        """Number of trials, the units of the progress line."""
        return len(self.trials)


def plan(
    suite: Suite,
    tasks: Sequence[str] | None = None,
    *,
    split: str = "fresh",
    episodes: int = 50,
    repeats: int = 1,
) -> tuple[Trial, ...]:
    """Trials of an evaluation: the first variations of a split, task by task.

    Args:
        suite: Suite of the tasks and their variations.
        tasks: Names of the tasks; None for the training tasks.
        split: Split of the variations, such as ``fresh`` or ``official``.
        episodes: Number of variations of each task.
        repeats: Number of trials of each variation; more than 1 is informative only for
            an actor or a simulator that draws random numbers.

    Raises:
        InputError: If a task or the split is unknown, a task is named twice, or the
            split has fewer variations than the requested episodes.
    """
    if episodes < 1 or repeats < 1:
        raise InputError(
            f"episodes is {episodes} and repeats is {repeats}; give at least 1 of each."
        )
    return tuple(
        Trial(suite.name, task.name, variation, repeat)
        for task in select(suite, tasks)
        for repeat in range(repeats)
        for variation in _variations(suite, task, split, episodes)
    )


def select(suite: Suite, names: Sequence[str] | None) -> tuple[Task, ...]:
    """Tasks of these names; the training tasks if ``names`` is None.

    Raises:
        InputError: If a name is unknown or given twice, ``names`` is empty, or none are
            given and the suite has no training tasks.
    """
    if names is None:
        return training_tasks(suite)
    tasks = tuple(find_task(suite, name) for name in names)
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise InputError(f"Tasks named twice: {', '.join(twice)}. Name each once.")
    if not tasks:
        raise InputError("No task was named; name at least 1.")
    return tasks


def side_by_side(suite: Suite) -> int:
    """Largest number of trials of the suite that a process plays in lockstep."""
    return 1 if one_env_per_process(suite) else CHUNK


def split_into_chunks(
    trials: Sequence[Trial], task_infos: Sequence[TaskInfo], size: int = CHUNK
) -> tuple[Chunk, ...]:
    """Divides trials into chunks, each of one task, in the given order.

    Args:
        trials: Trials, sorted by task.
        task_infos: Task information of each trial.
        size: Largest number of trials of a chunk; see ``side_by_side``.
    """
    chunks: list[Chunk] = []
    pairs = zip(trials, task_infos, strict=True)
    for task, group in groupby(pairs, key=lambda pair: pair[0].task):
        members = list(group)
        for start in range(0, len(members), size):
            chunk_trials, infos = zip(*members[start : start + size], strict=True)
            chunks.append(Chunk(task=task, trials=chunk_trials, task_infos=infos))
    return tuple(chunks)


def _variations(suite: Suite, task: Task, split: str, episodes: int) -> Sequence[int]:
    variations = suite.variations(task.name, split)
    if episodes > len(variations):
        raise InputError(
            f"'{split}' has {len(variations)} variations of '{task.name}', but"
            f" {episodes} episodes were requested; request at most {len(variations)}."
        )
    return variations[:episodes]
