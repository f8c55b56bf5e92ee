"""Reads a LeRobotDataset v3.0, its own or another's, and refuses what is not sound."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations import layout
from robomtl.demonstrations.columns import num_rows, read_table, scalars, vectors
from robomtl.demonstrations.contents import Contents, Episodes
from robomtl.demonstrations.metadata import (
    About,
    Index,
    read_about,
    read_index,
    read_info,
    read_tasks,
    vector_size,
)
from robomtl.errors import InputError

Beyond = Literal["refuse", "clip"]

_ROUNDING = 1e-5  # By which an action may exceed 1 without being refused.


class _Frames(NamedTuple):
    """What the data files hold, one entry a frame."""

    state: NDArray[np.float32]
    action: NDArray[np.float32]
    task: NDArray[np.int64]
    variation: NDArray[np.int64]
    """-1 where it was not recorded."""
    success: NDArray[np.bool_]
    """True where it was not recorded."""


def _frames(folder: Path, info: Mapping[str, Any], index: Index) -> _Frames:
    """All frames, read file by file."""
    files = dict.fromkeys(index.files)
    owner = np.array([list(files).index(path) for path in index.files])
    for i, path in enumerate(files):
        listed, held = int(index.length[owner == i].sum()), num_rows(path)
        if listed != held:
            raise InputError(
                f"{path} holds {held} frames, meta/episodes lists {listed}."
            )
    frames = _empty(folder, info)
    position = 0
    for path in files:
        position = _read_into(frames, path, position, info["features"], index)
    return frames


def _empty(folder: Path, info: Mapping[str, Any]) -> _Frames:
    count, features = info["total_frames"], info["features"]
    return _Frames(
        state=np.empty(
            (count, vector_size(folder, features, layout.STATE)), np.float32
        ),
        action=np.empty(
            (count, vector_size(folder, features, layout.ACTION)), np.float32
        ),
        task=np.empty(count, np.int64),
        variation=np.full(count, -1),
        success=np.full(count, True),
    )


def _read_into(
    frames: _Frames,
    path: Path,
    position: int,
    features: layout.Features,
    index: Index,
) -> int:
    """Fills in the frames of a file from a position on; gives that after them."""
    optional = [
        name
        for name, dtype in ((layout.VARIATION, "int64"), (layout.SUCCESS, "bool"))
        if features.get(name, {}).get("dtype") == dtype
    ]
    order = ["episode_index", "index", "task_index"]
    table = read_table(path, [layout.STATE, layout.ACTION, *order, *optional])
    rows = slice(position, position + len(table))
    episode = np.repeat(np.arange(len(index.length)), index.length)[rows]
    counted = np.array_equal(
        scalars(table, "index", path), np.arange(rows.start, rows.stop)
    )
    if not (counted and np.array_equal(scalars(table, "episode_index", path), episode)):
        raise InputError(
            f"{path} does not hold the frames in the order of meta/episodes."
        )
    frames.state[rows] = vectors(table, layout.STATE, frames.state.shape[1], path)
    frames.action[rows] = vectors(table, layout.ACTION, frames.action.shape[1], path)
    frames.task[rows] = scalars(table, "task_index", path)
    if layout.VARIATION in optional:
        frames.variation[rows] = scalars(table, layout.VARIATION, path)
    if layout.SUCCESS in optional:
        frames.success[rows] = scalars(table, layout.SUCCESS, path)
    return rows.stop


def _names(
    folder: Path, about: About, index: Index, task: NDArray[np.int64]
) -> list[str]:
    """The name of each episode's task.

    Args:
        folder: Where the data set lies.
        about: Names of the tasks.
        index: Where the episodes lie.
        task: Task index of each frame.
    """
    first = task[index.start]
    changed = np.flatnonzero(task != np.repeat(first, index.length))
    if len(changed):
        episode, step = _place(index, changed[0])
        raise InputError(
            f"{folder}: episode {episode} changes its task at step {step}; robomtl takes "
            "one task an episode."
        )
    for episode, number in enumerate(first.tolist()):
        if number not in about.names:
            raise InputError(
                f"{folder}: episode {episode} has task_index {number}, which "
                f"{layout.TASKS} does not name."
            )
    return [about.names[number] for number in first.tolist()]


def _place(index: Index, frame: int) -> tuple[int, int]:
    """Episode and step of a frame."""
    episode = int(np.searchsorted(index.start, frame, side="right")) - 1
    return episode, int(frame - index.start[episode])


def _check_numbers(
    folder: Path, frames: _Frames, index: Index, names: list[str], beyond: Beyond
) -> None:
    """Refuses numbers that cannot be learned from; clips actions if asked to."""
    for name, values in ((layout.STATE, frames.state), (layout.ACTION, frames.action)):
        bad = np.flatnonzero(~np.isfinite(values).all(1))
        if len(bad):
            episode, step = _place(index, bad[0])
            raise InputError(
                f"{folder}: '{name}' is not finite in task '{names[episode]}', episode "
                f"{episode}, step {step}."
            )
    size = np.abs(frames.action).max(1)
    largest = int(size.argmax())
    if beyond == "refuse" and size[largest] > 1 + _ROUNDING:
        episode, step = _place(index, largest)
        raise InputError(
            f"{folder}: an action is {size[largest]:g} in size in task "
            f"'{names[episode]}', episode {episode}, step {step}; policies act within "
            "[-1, 1]. If the simulator clips actions, read with beyond='clip'; else "
            "scale them first."
        )
    np.clip(frames.action, -1, 1, out=frames.action)


def read(folder: Path, beyond: Beyond = "refuse") -> Contents:
    """The demonstrations in a folder.

    Args:
        folder: Of a LeRobotDataset v3.0.
        beyond: What is done with actions beyond [-1, 1].

    Raises:
        ValueError: If the folder holds no such data set, an incomplete or contradictory
            one, or numbers that cannot be learned from; the message names the file.
    """
    info = read_info(folder)
    instructions = read_tasks(folder)
    about = read_about(folder, instructions)
    index = read_index(folder, info)
    frames = _frames(folder, info, index)
    names = _names(folder, about, index, frames.task)
    _check_numbers(folder, frames, index, names, beyond)
    # Tasks without an episode are left out: nothing can be learned of them.
    tasks = tuple(dict.fromkeys(about.names[i] for i in sorted(set(frames.task))))
    words = {about.names[i]: instructions[i] for i in instructions}
    return Contents(
        path=folder,
        suite=about.suite,
        suite_options=about.options,
        tasks=tasks,
        instructions={name: words[name] for name in tasks},
        failures=about.failures,
        noise=about.noise,
        fps=info["fps"],
        episodes=Episodes(
            task=np.array([tasks.index(name) for name in names]),
            start=index.start,
            length=index.length,
            variation=frames.variation[index.start],
            success=np.logical_or.reduceat(frames.success, index.start),
        ),
        state=frames.state,
        action=frames.action,
    )
