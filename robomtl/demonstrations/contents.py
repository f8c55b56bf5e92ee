"""The contents of a data set, and selections of its episodes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations.frame_file import Records, blocks, fits, in_memory
from robomtl.demonstrations.layout import SUCCESS, observed
from robomtl.errors import InputError
from robomtl.nearest import unknown

Failed = Literal["omit", "clone"]
"""Whether training omits or clones episodes that their data set marks as failed."""


class Episodes(NamedTuple):
    """Arrays with one entry per episode, in the order of the frames."""

    task: NDArray[np.int64]
    """Index into the names of the tasks; (episode,)."""
    start: NDArray[np.int64]
    """First frame; (episode,)."""
    length: NDArray[np.int64]
    """Number of frames; (episode,)."""
    variation: NDArray[np.int64]
    """Variation of the task, -1 where it was not recorded; (episode,)."""
    success: NDArray[np.bool_]
    """Whether a step succeeded; true where that was not recorded; (episode,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Contents:
    """Frames of demonstrations with their metadata; see ``Demonstrations``."""

    path: Path
    suite: str | None
    suite_options: Mapping[str, Any]
    tasks: tuple[str, ...]
    instructions: Mapping[str, str]
    failures: Mapping[str, int]
    """Number of episodes of each task in which the expert failed."""
    noise: float | None
    """Largest standard deviation of the action noise; None if unknown."""
    robot: str
    """Name of the robot; empty if the data set does not name it."""
    fps: float
    unused: tuple[str, ...]
    """Features of the data set that were not read, such as images."""
    observes: tuple[str, ...]
    """Names of the observation features that policies read."""
    failed: Failed
    has_actions: bool = True
    """Whether actions were recorded; otherwise, their column contains zeros."""
    episodes: Episodes
    columns: Mapping[str, NDArray[Any]]
    """Vectors and images of frames, by feature: in memory, or in a file."""
    first: NDArray[np.int64]
    """Row of the columns at which each episode begins; (episode,)."""

    def column(self, name: str) -> NDArray[Any]:
        """A feature of all episodes, one episode after the other; (frame, …)."""
        column, length = self.columns[name], self.episodes.length
        if len(column) == length.sum() and np.array_equal(
            self.first, self.episodes.start
        ):
            return column
        return in_memory(self.columns, self.first, length)[name]

    def starts(self, name: str) -> NDArray[Any]:
        """A feature of the first frame of each episode; (episode, …)."""
        return in_memory(self.columns, self.first, np.ones_like(self.first))[name]


def fingerprint(contents: Contents) -> str:
    """SHA-256 of task names, instructions, episodes and columns, in hexadecimal."""
    digest = hashlib.sha256(
        json.dumps(
            [(task, contents.instructions[task]) for task in contents.tasks]
        ).encode()
    )
    for array in contents.episodes:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    count = int(contents.episodes.length.sum())
    for name, column in contents.columns.items():
        digest.update(f"{column.dtype.str}{(count, *column.shape[1:])}".encode())
        for block in blocks(contents.columns, contents.first, contents.episodes.length):
            digest.update(np.ascontiguousarray(block[name]).data)
    return digest.hexdigest()


PerTask = int | Mapping[str, int] | None
"""Number of episodes of every task, or numbers by the name of the task; None for all."""


def selected(
    contents: Contents, tasks: Sequence[str] | None, per_task: PerTask
) -> Contents:
    """The first episodes of some tasks; tasks and episodes keep their order.

    Args:
        contents: Demonstrations to select from.
        tasks: Names of the tasks; None for all.
        per_task: Number of episodes of each task; None for all.

    Raises:
        InputError: If a task is unknown or has too few episodes, or no task or less than
            one episode is requested.
    """
    counts = per_task if isinstance(per_task, Mapping) else {}
    usual = None if isinstance(per_task, Mapping) else per_task
    for name in tasks or ():
        if name not in contents.tasks:
            raise InputError(
                unknown("task of the demonstrations", name, contents.tasks)
            )
    if tasks is not None and not tasks:
        raise InputError("tasks is empty; name at least 1.")
    if any(count is not None and count < 1 for count in (usual, *counts.values())):
        raise InputError(f"per_task is {per_task}; give at least 1.")
    names = tuple(n for n in contents.tasks if tasks is None or n in tasks)
    found = [_first(contents, name, counts.get(name, usual)) for name in names]
    chosen = np.sort(np.concatenate(found))
    return _subset(contents, names, chosen)


def taken(contents: Contents, episodes: Sequence[int]) -> Contents:
    """The episodes with these indices, in this order; all tasks keep their index.

    Raises:
        InputError: If there is no episode with an index.
    """
    count = len(contents.episodes.length)
    for episode in episodes:
        if not 0 <= episode < count:
            raise InputError(
                f"There is no episode {episode} in {contents.path}; it has {count},"
                f" counted from 0."
            )
    return _subset(contents, contents.tasks, np.array(episodes, np.int64))


def succeeded(contents: Contents) -> Contents:
    """The episodes to clone: successful ones, or all if ``failed`` is ``clone``.

    Tasks without a remaining episode are left out, too.

    Raises:
        InputError: If no episode is left.
    """
    success = contents.episodes.success
    if contents.failed == "clone" or success.all():
        return contents
    if not success.any():
        raise InputError(
            f"All {len(success)} episodes of {contents.path} are marked as failed"
            f" ({SUCCESS} is never true), so nothing is left to clone. If the marks are"
            " wrong, read it with failed='clone' (on the command line: --failed clone)."
        )
    left = set(contents.episodes.task[success].tolist())
    names = tuple(name for i, name in enumerate(contents.tasks) if i in left)
    return _subset(contents, names, np.flatnonzero(success))


def notes(contents: Contents) -> tuple[str, ...]:
    """Sentences about features and episodes that training does not use."""
    sentences = []
    keys = {feature: key for key, feature in observed(contents.columns).items()}
    seen = [keys[name] for name in contents.observes]
    read = f"{seen[0]} alone" if len(seen) == 1 else ", ".join(seen)
    if contents.unused:
        sentences.append(
            f"Not used of {contents.path}: {', '.join(contents.unused)}; policies observe"
            f" {read}."
        )
    failed = int((~contents.episodes.success).sum())
    if failed and contents.failed == "omit":
        sentences.append(
            f"{failed} of the {len(contents.episodes.success)} episodes of {contents.path}"
            f" are marked as failed ({SUCCESS} is never true) and left out; --failed clone"
            " learns from them, too."
        )
    return tuple(sentences)


def renamed(contents: Contents, task: str, instruction: str) -> Contents:
    """The same episodes, all assigned to one task with this name and instruction."""
    episodes = contents.episodes
    return replace(
        contents,
        tasks=(task,),
        instructions={task: instruction},
        failures={},
        episodes=episodes._replace(task=np.zeros_like(episodes.task)),
    )


def _first(contents: Contents, task: str, count: int | None) -> NDArray[np.int64]:
    found = np.flatnonzero(contents.episodes.task == contents.tasks.index(task))
    if count is not None and len(found) < count:
        raise InputError(
            f"'{task}' has {len(found)} episodes in {contents.path}, fewer than the "
            f"{count} requested."
        )
    return found[:count]


def _subset(
    contents: Contents, tasks: tuple[str, ...], chosen: NDArray[np.int64]
) -> Contents:
    """The chosen episodes; frames in a file are copied into memory if they fit."""
    old = contents.episodes
    length = old.length[chosen]
    start, first = np.cumsum(length) - length, contents.first[chosen]
    columns = contents.columns
    if not isinstance(columns, Records) or fits(columns, length):
        columns, first = in_memory(columns, first, length), start
    position = {task: index for index, task in enumerate(tasks)}
    index = np.array([position.get(task, -1) for task in contents.tasks])
    return replace(
        contents,
        tasks=tasks,
        instructions={name: contents.instructions[name] for name in tasks},
        failures={n: k for n, k in contents.failures.items() if n in tasks},
        episodes=Episodes(
            task=index[old.task[chosen]],
            start=start,
            length=length,
            variation=old.variation[chosen],
            success=old.success[chosen],
        ),
        columns=columns,
        first=first,
    )
