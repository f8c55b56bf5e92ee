"""Reads the ``meta`` folder of LeRobot data sets of versions 2.0, 2.1 and 3.0.

Verified against LeRobot's commits 3354d919 (v2.1: ``common/datasets/utils.py``) and 7427f318
(v3.0, and ``convert_dataset_v21_to_v30.py``). Version 2 has one file per episode:

* ``meta/episodes.jsonl``: ``episode_index`` and ``length`` of each episode.
* ``meta/tasks.jsonl``: ``task_index`` and ``task``, the sentence.
* ``data/chunk-000/episode_000000.parquet``: the frames of an episode.
* ``videos/chunk-000/KEY/episode_000000.mp4``: the images of a camera in an episode.

A chunk has ``chunks_size`` episodes. Version 3 is described in ``demonstrations/layout.py``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import pyarrow as pa
from msgspec import Meta

from robomtl.demonstrations import layout
from robomtl.demonstrations.about import tasks_table
from robomtl.demonstrations.columns import integers
from robomtl.demonstrations.files import check_template, inside, paths_of
from robomtl.demonstrations.metadata import Index, Info, read_index, read_info
from robomtl.demonstrations.videos import Clips, read_clips
from robomtl.errors import InputError
from robomtl.files.durable import LINES_LIMIT
from robomtl.files.parquet import check_rows
from robomtl.files.untrusted import converted, parse_json, read_file, read_json

_EPISODES, _TASKS = "meta/episodes.jsonl", "meta/tasks.jsonl"
_FIRST = ("v2.0", "v2.1")
VERSIONS = (*_FIRST, layout.VERSION)
"""Versions that are read."""

_Count = Annotated[int, Meta(ge=0, lt=2**53)]
_Line = TypeVar("_Line")


@dataclass(frozen=True, kw_only=True)
class LeRobotMeta:
    """Content of the ``meta`` folder, in one form for all versions."""

    version: str
    info: Info
    index: Index
    tasks: Mapping[int, str]
    """Task sentence of each task index; several may be equal."""
    chunk: int = 0
    """Number of episodes per chunk in version 2; 0 in version 3."""


@dataclass(frozen=True, kw_only=True)
class _Episode:
    episode_index: _Count
    length: _Count


@dataclass(frozen=True, kw_only=True)
class _Task:
    task_index: _Count
    task: str


@dataclass(frozen=True, kw_only=True)
class _Chunks:
    chunks_size: Annotated[int, Meta(gt=0, lt=2**53)] = layout.FILES_PER_CHUNK


def read_meta(folder: Path) -> LeRobotMeta:
    """The content of the ``meta`` folder.

    Raises:
        InputError: If the folder is damaged, contradictory, or of another version.
    """
    path = inside(folder, layout.INFO)
    content = read_json(path, dict[str, Any])
    version = content.get("codebase_version")
    if version == layout.VERSION:
        info = read_info(folder)
        tasks = _tasks_of_parquet(folder)
        index = read_index(folder, info)
        return LeRobotMeta(version=layout.VERSION, info=info, index=index, tasks=tasks)
    if version not in _FIRST:
        raise InputError(
            f"{path}: the codebase_version is {str(version)[:40]}; robomtl imports"
            f" {', '.join(VERSIONS)}."
        )
    info = converted(content, Info, where=str(path))
    chunk = converted(content, _Chunks, where=str(path)).chunks_size
    index = _index(folder, info, chunk)
    lines = _lines(folder, _TASKS, _Task)
    tasks = {line.task_index: line.task for line in lines}
    return LeRobotMeta(
        version=version, info=info, index=index, tasks=tasks, chunk=chunk
    )


def clips_of(folder: Path, meta: LeRobotMeta, key: str) -> Clips:
    """The location of the images of a camera.

    Raises:
        InputError: If the metadata lack it, or it is invalid.
    """
    if meta.version not in _FIRST:
        return read_clips(folder, meta.info, meta.index, key)
    if not re.fullmatch(r"[\w.-]+", key) or meta.info.video_path is None:
        raise InputError(f"{folder / layout.INFO} does not say where '{key}' lies.")
    template = _of_version_3(meta.info.video_path.replace("{video_key}", key))
    check_template(template, folder / layout.INFO)
    files = _files(folder, template, len(meta.index.length), meta.chunk)
    return Clips(files, np.zeros(len(files), np.int64))


def _index(folder: Path, info: Info, chunk: int) -> Index:
    """The index of the episodes of a data set of version 2.

    Raises:
        InputError: If the list of episodes is damaged, or contradicts itself or
            ``meta/info.json``.
    """
    where = folder / _EPISODES
    lines = sorted(_lines(folder, _EPISODES, _Episode), key=lambda e: e.episode_index)
    found = len(lines), sum(line.length for line in lines)
    declared = info.total_episodes, info.total_frames
    if found != declared:
        raise InputError(
            f"{where} lists {found[0]} episodes of {found[1]} frames, {layout.INFO}"
            f" {declared[0]} of {declared[1]}."
        )
    if not lines:
        raise InputError(f"{folder} has no episodes.")
    if [line.episode_index for line in lines] != [*range(len(lines))]:
        raise InputError(f"{where} does not list the episodes 0 to {len(lines) - 1}.")
    length = np.array([line.length for line in lines], np.int64)
    if length.min() < 1:
        raise InputError(f"{where}: episode {length.argmin()} has no frames.")
    template = _of_version_3(info.data_path)
    check_template(template, folder / layout.INFO)
    files = _files(folder, template, len(lines), chunk)
    return Index(np.cumsum(length) - length, length, files, (where,))


def _of_version_3(template: str) -> str:
    """A path template of version 2, with its fields named as in version 3."""
    named = template.replace("{episode_chunk", "{chunk_index")
    return named.replace("{episode_index", "{file_index")


def _files(folder: Path, template: str, count: int, chunk: int) -> tuple[Path, ...]:
    numbers = np.arange(count)
    return paths_of(folder, template, numbers // chunk, numbers)


def _lines(folder: Path, name: str, form: type[_Line]) -> list[_Line]:
    """The entries of a file with one JSON object per line."""
    path = inside(folder, name)
    lines = read_file(path, limit=LINES_LIMIT).splitlines()
    check_rows(path, len(lines), layout.MOST_EPISODES)
    return [
        parse_json(line, form, where=f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def _tasks_of_parquet(folder: Path) -> dict[int, str]:
    """Task sentence of each task index in version 3; several may be equal."""
    path, table, words = tasks_table(folder)
    column = table[words].combine_chunks()
    if not pa.types.is_dictionary(column.type):
        raise InputError(
            f"{path}: column '{words}' contains {column.type}, not strings."
        )
    known = [
        each if isinstance(each, str) else "" for each in column.dictionary.to_pylist()
    ]
    codes = [-1 if code is None else code for code in column.indices.to_pylist()]
    instructions = [known[code] if code >= 0 else "" for code in codes]
    return dict(
        zip(integers(table, "task_index", path).tolist(), instructions, strict=True)
    )
