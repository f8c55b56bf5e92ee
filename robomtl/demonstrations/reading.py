"""Reads a LeRobotDataset v3.0, its own or another's, and refuses what is not sound."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations import layout
from robomtl.demonstrations.about import About, read_about, read_tasks
from robomtl.demonstrations.columns import truths, vectors, whole
from robomtl.demonstrations.contents import Contents, Episodes, Failed
from robomtl.demonstrations.files import inside
from robomtl.demonstrations.metadata import (
    Index,
    Info,
    read_index,
    read_info,
    vector_size,
)
from robomtl.errors import InputError
from robomtl.parquet import Parquet, check_size

Beyond = Literal["refuse", "clip"]

_KEPT = ("next.done", "timestamp", "frame_index", layout.REWARD)  # Of each episode.
_ORDER = ("index", "episode_index", "task_index")
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


def _frames(folder: Path, info: Info, index: Index) -> _Frames:
    """All frames, read file by file once the footers of all fit together."""
    paths = dict.fromkeys(index.files)
    number = {path: i for i, path in enumerate(paths)}
    owner = np.array([number[path] for path in index.files])
    listed = np.bincount(owner, index.length).astype(np.int64)
    files = [_opened(folder, path, info) for path in paths]
    for file, count in zip(files, listed.tolist(), strict=True):
        if count != file.rows:
            raise InputError(
                f"{file.path} holds {file.rows} frames, meta/episodes lists {count}."
            )
    frames = _empty(folder, info, files)
    episode = np.repeat(np.arange(len(index.length)), index.length)
    position = 0
    for file in files:
        rows = slice(position, position + file.rows)
        _read_into(frames, file, rows, episode[rows])
        position += file.rows
    return frames


def _opened(folder: Path, path: Path, info: Info) -> Parquet:
    inside(folder, str(path.relative_to(folder)))
    return Parquet(path, _columns(info))


def _columns(info: Info) -> list[str]:
    """Columns of the data files that are read, the last of them where they are there."""
    own = {layout.VARIATION: ("int64",), layout.SUCCESS: ("bool", "int64", "float32")}
    optional = [name for name in own if info.dtype(name) in own[name]]
    return [layout.STATE, layout.ACTION, *_ORDER, *optional]


def _empty(folder: Path, info: Info, files: Sequence[Parquet]) -> _Frames:
    """Arrays for all frames, no larger than the files declare."""
    declared = sum(file.declared for file in files)
    check_size(folder, declared, sum(file.disk for file in files))
    count = info.total_frames
    state, action = (
        vector_size(folder, info, name) for name in (layout.STATE, layout.ACTION)
    )
    if count * (state + action) * np.float32().itemsize > declared:
        raise InputError(
            f"{folder / layout.INFO}: the features '{layout.STATE}' and '{layout.ACTION}'"
            f" have {state} and {action} numbers, which is more than the data files hold."
        )
    return _Frames(
        state=np.empty((count, state), np.float32),
        action=np.empty((count, action), np.float32),
        task=np.empty(count, np.int64),
        variation=np.full(count, -1),
        success=np.full(count, True),
    )


def _read_into(
    frames: _Frames, file: Parquet, rows: slice, episode: NDArray[np.int64]
) -> None:
    """Fills in the frames of a file.

    Args:
        frames: Receives them.
        file: The file.
        rows: Where they belong.
        episode: Episode of each; (row,).
    """
    table, path = file.table(), file.path
    count = np.arange(rows.start, rows.stop)
    index, owner, task = (whole(table, name, path) for name in _ORDER)
    if not (np.array_equal(index, count) and np.array_equal(owner, episode)):
        raise InputError(
            f"{path} does not hold the frames in the order of meta/episodes."
        )
    frames.state[rows] = vectors(table, layout.STATE, frames.state.shape[1], path)
    frames.action[rows] = vectors(table, layout.ACTION, frames.action.shape[1], path)
    frames.task[rows] = task
    if layout.VARIATION in table.column_names:
        frames.variation[rows] = whole(table, layout.VARIATION, path)
    if layout.SUCCESS in table.column_names:
        frames.success[rows] = truths(table, layout.SUCCESS, path)


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
            "[-1, 1]. If the simulator clips actions, read with beyond='clip' (on the "
            "command line: --beyond clip); else scale them first."
        )
    np.clip(frames.action, -1, 1, out=frames.action)


def read(folder: Path, beyond: Beyond = "refuse", failed: Failed = "omit") -> Contents:
    """The demonstrations in a folder.

    Args:
        folder: Of a LeRobotDataset v3.0.
        beyond: What is done with actions beyond [-1, 1].
        failed: What training does with episodes that are marked as failed.

    Raises:
        InputError: If the folder holds no such data set, an incomplete or contradictory
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
    tasks = tuple(
        dict.fromkeys(about.names[i] for i in np.unique(frames.task).tolist())
    )
    number = {name: i for i, name in enumerate(tasks)}
    words = {about.names[i]: instructions[i] for i in instructions}
    return Contents(
        path=folder,
        suite=about.suite,
        suite_options=about.options,
        tasks=tasks,
        instructions={name: words[name] for name in tasks},
        failures=about.failures,
        noise=about.noise,
        fps=info.fps,
        unused=tuple(sorted({*info.features} - {*_KEPT, *_columns(info)})),
        failed=failed,
        episodes=Episodes(
            task=np.array([number[name] for name in names]),
            start=index.start,
            length=index.length,
            variation=frames.variation[index.start],
            success=np.logical_or.reduceat(frames.success, index.start),
        ),
        state=frames.state,
        action=frames.action,
    )
