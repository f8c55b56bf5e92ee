"""The ``meta`` folder of a LeRobotDataset v3.0, read and checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations import layout
from robomtl.demonstrations.columns import read_table, scalars
from robomtl.demonstrations.staging import STAGING
from robomtl.errors import InputError
from robomtl.untrusted import read_json


class About(NamedTuple):
    """What ``meta/robomtl.json`` says, or what stands in for it."""

    names: Mapping[int, str]
    """Name of each task, by its index."""
    failures: Mapping[str, int]
    suite: str | None
    options: Mapping[str, Any]
    noise: float | None


class Index(NamedTuple):
    """What the episode files say, one entry an episode."""

    start: NDArray[np.int64]
    length: NDArray[np.int64]
    files: tuple[Path, ...]
    """The data file of each episode."""


class _Listed(NamedTuple):
    """Columns of the episode files, by their order in ``_LISTED``."""

    number: NDArray[np.int64]
    length: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    chunk: NDArray[np.int64]
    file: NDArray[np.int64]


_LISTED = (
    "episode_index",
    "length",
    "dataset_from_index",
    "dataset_to_index",
    "data/chunk_index",
    "data/file_index",
)


def read_info(folder: Path) -> dict[str, Any]:
    """The content of ``meta/info.json``, once it describes what can be read here."""
    path = folder / layout.INFO
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give that of a data set.")
    if (folder / STAGING).exists() and not path.exists():
        raise InputError(
            f"{folder} is incomplete: its collection was interrupted. Collect again with "
            "the same arguments, and it continues where it stopped."
        )
    if not path.exists():
        raise InputError(
            f"{folder} is not a data set: {layout.INFO} is missing. It is written last, "
            "so if recording was interrupted, the data set is incomplete."
        )
    info = read_json(path, dict[str, Any])
    version = info.get("codebase_version")
    if version != layout.VERSION:
        raise InputError(
            f"{path}: the codebase_version is {version}; robomtl reads {layout.VERSION}. "
            "LeRobot converts older data sets: python -m "
            "lerobot.scripts.convert_dataset_v21_to_v30."
        )
    for name in ("total_episodes", "total_frames", "fps", "data_path", "features"):
        if name not in info:
            raise InputError(f"{path} has no '{name}'.")
    return info


def vector_size(folder: Path, features: layout.Features, name: str) -> int:
    """Length of a vector feature that every data set must have."""
    if name not in features:
        raise InputError(
            f"{folder / layout.INFO} has no feature '{name}'; it has "
            f"{', '.join(sorted(features))}."
        )
    shape = features[name].get("shape")
    if not isinstance(shape, list) or len(shape) != 1 or shape[0] < 1:
        raise InputError(
            f"{folder / layout.INFO}: feature '{name}' has shape {shape}; it must be one "
            "vector a frame."
        )
    return int(shape[0])


def read_tasks(folder: Path) -> dict[int, str]:
    """The instruction of each task index."""
    path = folder / layout.TASKS
    table = read_table(path)
    # pandas names an index without a name by its level, as LeRobot 0.4 wrote it.
    words = [n for n in ("task", "__index_level_0__") if n in table.column_names]
    if "task_index" not in table.column_names or not words:
        raise InputError(
            f"{path} has the columns {', '.join(table.column_names)}; it must have "
            "'task_index' and 'task'."
        )
    indices = scalars(table, "task_index", path).tolist()
    return dict(zip(indices, table[words[0]].to_pylist(), strict=True))


def read_robomtl(folder: Path) -> dict[str, Any]:
    """The content of ``meta/robomtl.json``: the request and what is told of each task.

    Raises:
        ValueError: If the file is damaged.
    """
    path = folder / layout.ROBOMTL
    content = read_json(path, dict[str, Any])
    for name, kind in (("request", dict), ("tasks", list)):
        if not isinstance(content.get(name), kind):
            raise InputError(f"{path} is damaged: it has no '{name}'.")
    return content


def read_about(folder: Path, instructions: Mapping[int, str]) -> About:
    """What robomtl keeps of a data set; of another's, each task is named as it is told.

    Raises:
        ValueError: If ``meta/robomtl.json`` is damaged or names other tasks.
    """
    path = folder / layout.ROBOMTL
    if not path.exists():
        return About(instructions, {}, None, {}, None)
    content = read_robomtl(folder)
    tasks, request = content["tasks"], content["request"]
    try:
        about = About(
            names={i: task["name"] for i, task in enumerate(tasks)},
            failures={task["name"]: task["failed"] for task in tasks},
            suite=request["suite"],
            options=request["options"],
            noise=request["noise"],
        )
        told = {i: task["instruction"] for i, task in enumerate(tasks)}
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error!r}.") from error
    if told != dict(instructions):
        raise InputError(f"{path} and {layout.TASKS} beside it name different tasks.")
    return about


def read_index(folder: Path, info: Mapping[str, Any]) -> Index:
    """Where the episodes lie.

    Raises:
        ValueError: If the episode files are missing, damaged, or contradict
            ``meta/info.json`` or one another.
    """
    paths = sorted(folder.glob("meta/episodes/*/*.parquet"))
    if not paths:
        raise InputError(f"{folder}/meta/episodes has no file; it is incomplete.")
    parts = []
    for path in paths:
        table = read_table(path, _LISTED)
        parts.append([scalars(table, name, path).astype(np.int64) for name in _LISTED])
    listed = _Listed(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    _check_listed(folder, info, listed)
    template = info["data_path"]
    files = [
        folder / template.format(chunk_index=chunk, file_index=file)
        for chunk, file in zip(listed.chunk.tolist(), listed.file.tolist(), strict=True)
    ]
    return Index(listed.start, listed.length, tuple(files))


def _check_listed(folder: Path, info: Mapping[str, Any], listed: _Listed) -> None:
    where, length = f"{folder}/meta/episodes", listed.length
    told = info["total_episodes"], info["total_frames"]
    found = len(length), int(length.sum())
    if told != found:
        raise InputError(
            f"{where} lists {found[0]} episodes of {found[1]} frames, "
            f"{layout.INFO} {told[0]} of {told[1]}."
        )
    if not found[0]:
        raise InputError(f"{folder} holds no episode.")
    if length.min() < 1:
        raise InputError(f"{where}: episode {length.argmin()} has no frame.")
    follows = np.array_equal(listed.start, np.cumsum(length) - length)
    counted = np.array_equal(listed.number, np.arange(len(length)))
    if not (follows and counted and np.array_equal(listed.end, listed.start + length)):
        raise InputError(f"{where} does not list the episodes one after the other.")
