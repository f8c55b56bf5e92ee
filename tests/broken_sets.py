"""Data sets with one fault each, and the message that is expected for it."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from robomtl.demonstrations.layout import Sizes
from robomtl.demonstrations.metadata import LISTED
from robomtl.demonstrations.writing import Header, Recorded, write

LENGTHS = (4, 7, 5, 6)
TASKS = ("open-door", "shut-door")
WORDS = ("open the door", "shut the door")


def episodes() -> list[Recorded]:
    generator = np.random.default_rng(0)
    return [
        Recorded(
            task=i // 2,
            variation=10 + i,
            state=generator.standard_normal((length, 3)).astype(np.float32),
            action=generator.uniform(-1, 1, (length, 2)).astype(np.float32),
            reward=generator.random(length).astype(np.float32),
            success=np.arange(length) >= length - 2,
        )
        for i, length in enumerate(LENGTHS)
    ]


def header() -> Header:
    tasks = [
        {"name": name, "instruction": words, "failed": failed}
        for name, words, failed in zip(TASKS, WORDS, (0, 2), strict=True)
    ]
    request = {"suite": "doors/MT2", "options": {"horizon": 9}, "noise": 0.25}
    return Header(WORDS, Sizes(3, 2, 20), "doors", {"request": request, "tasks": tasks})


def sound(folder: Path) -> Path:
    """An intact data set as robomtl writes it."""
    write(folder, header(), episodes())
    return folder


def edit(folder: Path, file: str, change: Callable[[Any], Any]) -> None:
    """Changes a JSON file, or the columns of a parquet file."""
    path = folder / file
    if path.suffix == ".json":
        content = json.loads(path.read_text())
        path.write_text(json.dumps(change(content)))
    else:
        table = pq.read_table(path)
        columns = {name: table[name].to_pylist() for name in table.column_names}
        pq.write_table(pa.table(change(columns)), path)


INFO, ABOUT, TASK_FILE = "meta/info.json", "meta/robomtl.json", "meta/tasks.parquet"
DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"


def without(name: str) -> Callable[[Any], Any]:
    return lambda content: {k: v for k, v in content.items() if k != name}


def drop_actions(folder: Path) -> None:
    """Removes all actions from a data set."""
    edit(
        folder,
        INFO,
        lambda info: {**info, "features": without("action")(info["features"])},
    )
    for path in sorted(folder.glob("data/*/*.parquet")):
        pq.write_table(pq.read_table(path).drop_columns(["action"]), path)
    for path in sorted(folder.glob("meta/episodes/*/*.parquet")):
        table = pq.read_table(path)
        stats = [n for n in table.column_names if n.startswith("stats/action/")]
        pq.write_table(table.drop_columns(stats), path)


def having(name: str, value: Any) -> Callable[[Any], Any]:
    return lambda content: {**content, name: value}


def feature(name: str, described: Any) -> Callable[[Any], Any]:
    return lambda info: {**info, "features": {**info["features"], name: described}}


def entry(name: str, row: int, value: Any) -> Callable[[Any], Any]:
    def change(columns: Any) -> Any:
        columns[name][row] = value
        return columns

    return change


def column(name: str, values: Any) -> Callable[[Path], None]:
    """Replaces a column of a parquet file, whatever its type."""

    def change(path: Path) -> None:
        table = pq.read_table(path)
        place = table.column_names.index(name)
        pq.write_table(table.set_column(place, name, pa.array(values)), path)

    return change


def rewritten(columns: dict[str, Any]) -> Callable[[Path], None]:
    """Replaces a parquet file."""
    return lambda path: pq.write_table(pa.table(columns), path)


def replaced(content: bytes) -> Callable[[Path], None]:
    """Replaces a file."""

    def change(path: Path) -> None:
        path.write_bytes(content)

    return change


def linked(path: Path) -> None:
    """Replaces a file by a link to a file outside the folder."""
    path.unlink()
    path.symlink_to(__file__)


def piped(path: Path) -> None:
    """Replaces a file by a pipe without a writer."""
    path.unlink()
    os.mkfifo(path)


def inflating(path: Path) -> None:
    """Writes a small file that decompresses to gigabytes of text."""
    text = "x" * 2**20
    entries = pa.DictionaryArray.from_arrays(np.zeros(50_000, np.int32), [text])
    table = pa.table({"task_index": np.arange(50_000), "task": entries})
    pq.write_table(table, path, compression="zstd")


def repeated(path: Path, names: Sequence[str]) -> None:
    """Writes a small file that decompresses to many rows."""
    rows = np.zeros(30_000_000 // len(names), np.int8)
    table = pa.table(dict.fromkeys(names, rows))
    pq.write_table(table, path, compression="zstd")


BROKEN: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "an older version": (
        "meta/info.json",
        having("codebase_version", "v2.1"),
        "codebase_version is v2.1; robomtl trains on v3.0. Import it: robomtl import",
    ),
    "no count": (
        "meta/info.json",
        without("total_frames"),
        "missing required field total_frames",
    ),
    "no state": (
        "meta/info.json",
        lambda info: {
            **info,
            "features": without("observation.state")(info["features"]),
        },
        "info.json has no feature 'observation.state'; it has action",
    ),
    "a state that is a matrix": (
        "meta/info.json",
        feature("observation.state", {"dtype": "float32", "shape": [3, 1]}),
        r"'observation.state' has shape \[3, 1\]; it must be one vector",
    ),
    "states of another size": (
        "meta/info.json",
        feature("observation.state", {"dtype": "float32", "shape": [4]}),
        "file-000.parquet: column 'observation.state' has vectors not of size 4",
    ),
    "states that are numbers": (
        DATA,
        having("observation.state", [0.0] * 22),
        "column 'observation.state' contains double, not vectors",
    ),
    "states that differ in size": (
        DATA,
        entry("observation.state", 5, [0.0, 1.0]),
        "column 'observation.state' has vectors not of size 3",
    ),
    "a state that is missing": (
        DATA,
        entry("observation.state", 5, None),
        "row 5 of column 'observation.state' is empty; it must be a vector of size 3",
    ),
    "no column of actions": (DATA, without("action"), "has no column 'action'"),
    "an index of words": (
        DATA,
        having("index", ["a"] * 22),
        "column 'index' is not one number per row",
    ),
    "too many episodes": (
        "meta/info.json",
        having("total_episodes", 5),
        "lists 4 episodes of 22 frames, meta/info.json 5 of 22",
    ),
    "too many frames": (
        "meta/info.json",
        having("total_frames", 23),
        "lists 4 episodes of 22 frames, meta/info.json 4 of 23",
    ),
    "episodes in disorder": (
        EPISODES,
        entry("dataset_from_index", 1, 5),
        "meta/episodes does not list the episodes one after the other",
    ),
    "episodes without a column": (EPISODES, without("length"), "no column 'length'"),
    "frames cut off": (
        DATA,
        lambda columns: {name: column[:-1] for name, column in columns.items()},
        "file-000.parquet contains 21 frames, meta/episodes lists 22",
    ),
    "frames in disorder": (
        DATA,
        entry("index", 3, 4),
        "file-000.parquet does not contain the frames in the order of meta/episodes",
    ),
    "frames of another episode": (
        DATA,
        entry("episode_index", 3, 1),
        "file-000.parquet does not contain the frames in the order of meta/episodes",
    ),
    "a state that is not finite": (
        DATA,
        entry("observation.state", 13, [0.0, float("nan"), 0.0]),
        "'observation.state' is not finite in task 'shut-door', episode 2, step 2",
    ),
    "an action that is not finite": (
        DATA,
        entry("action", 5, [0.0, float("inf")]),
        "'action' is not finite in task 'open-door', episode 1, step 1",
    ),
    "an action beyond 1": (
        DATA,
        entry("action", 5, [0.0, -25.0]),
        "an action has magnitude 25 in task 'open-door', episode 1, step 1;.*beyond='clip'",
    ),
    "an episode of two tasks": (
        DATA,
        entry("task_index", 2, 1),
        "episode 0 changes its task at step 2",
    ),
    "a task without a name": (
        DATA,
        having("task_index", [0] * 11 + [7] * 11),
        "episode 2 has task_index 7, which meta/tasks.parquet does not name",
    ),
    "tasks without instructions": (
        "meta/tasks.parquet",
        without("task"),
        "has the columns task_index; it must have 'task_index' and 'task'",
    ),
    "tasks by other names": (
        "meta/robomtl.json",
        having("tasks", [{"name": "a", "instruction": "b", "failed": 0}]),
        "robomtl.json and meta/tasks.parquet beside it name different tasks",
    ),
    "no names of its tasks": (
        "meta/robomtl.json",
        having("tasks", [{"instruction": "b", "failed": 0}]),
        r"robomtl.json is damaged: \$.tasks\[0\]: .* missing required field name",
    ),
    "no tasks but words": (
        "meta/robomtl.json",
        having("tasks", ["a", "b"]),
        r"robomtl.json is damaged: \$.tasks\[0\]: expected object, got str",
    ),
    "no request": (
        "meta/robomtl.json",
        without("request"),
        "missing required field request",
    ),
    "a newer version": (
        INFO,
        having("codebase_version", "v3.1"),
        "codebase_version is v3.1; robomtl trains on v3.0.$",
    ),
    "features that are nothing": (
        INFO,
        having("features", None),
        r"damaged: \$.features: expected object, got null",
    ),
    "a feature that is a word": (
        INFO,
        feature("action", "float32"),
        "feature 'action' has shape float32; it must be one vector",
    ),
    "a size that is no whole number": (
        INFO,
        feature("action", {"dtype": "float32", "shape": [2.0]}),
        r"feature 'action' has shape \[2.0\]; it must be one vector",
    ),
    "a size beyond the files": (
        INFO,
        feature("action", {"dtype": "float32", "shape": [2**30]}),
        "'action' have 3 and 1073741824 numbers, which is more than the data files",
    ),
    **{
        f"frames per second of {fps!r}": (
            INFO,
            having("fps", fps),
            r"info.json is damaged.*(\$.fps: expected float|malformed)",
        )
        for fps in (0, -3, float("nan"), float("inf"), "20", True, None, [20], 10**9)
    },
    **{
        f"a count of {count!r}": (
            INFO,
            having("total_frames", count),
            r"info.json is damaged: \$.total_frames: expected int",
        )
        for count in ("22", 22.0, True, None, -1, 2**60)
    },
    **{
        f"a path of data files like {path}": (
            INFO,
            having("data_path", path),
            "the template .* must be a path in the data set whose only fields are chunk",
        )
        for path in (
            "../outside/file-{file_index:03d}.parquet",
            "data/../../file.parquet",
            "/etc/passwd",
            "data/{episode_chunk}/x.parquet",
            "{file_index.__class__}",
            "{file_index:999999999d}",
            "{0}",
            "data/{chunk_index",
            "data/\0.parquet",
            "x" * 300,
            "",
        )
    },
    "a path of data files that is a number": (
        INFO,
        having("data_path", 3),
        r"info.json is damaged: \$.data_path: expected str, got int",
    ),
    "a place that is negative": (
        EPISODES,
        entry("data/file_index", 1, -1),
        "data/file_index of episode 1 is -1; it must be at least 0",
    ),
}

REPLACED: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a task index of a half": (
        TASK_FILE,
        column("task_index", [0.5, 1.0]),
        "tasks.parquet: row 0 of column 'task_index' is 0.5; it must be an integer",
    ),
    "task indices that are truth values": (
        TASK_FILE,
        column("task_index", [False, True]),
        "'task_index' contains booleans; it must contain integers",
    ),
    "a task index that is missing": (
        TASK_FILE,
        column("task_index", [0, None]),
        "row 1 of column 'task_index' is empty; it must be a number",
    ),
    "a task index that is doubled": (
        TASK_FILE,
        column("task_index", [1, 1]),
        "rows 0 and 1 of column 'task_index' are equal; each task must have its own",
    ),
    "a task index beyond whole numbers": (
        TASK_FILE,
        column("task_index", np.array([0, 2**64 - 1], np.uint64)),
        "row 1 of column 'task_index' is 18446744073709551615; it must be an int",
    ),
    "two tasks of one name": (
        TASK_FILE,
        column("task", [WORDS[0], WORDS[0]]),
        "rows 0 and 1 of column 'task' are equal; each task must have its own",
    ),
    "a task without words": (
        TASK_FILE,
        column("task", [None, WORDS[1]]),
        "row 0 of column 'task' is empty; it must be a string",
    ),
    "a task of blank words": (
        TASK_FILE,
        column("task", [WORDS[0], " "]),
        "row 1 of column 'task' is blank; it must be a non-blank string",
    ),
    "tasks that are numbers": (
        TASK_FILE,
        column("task", [1, 2]),
        "column 'task' contains int64, not strings",
    ),
    "tasks that are lists": (
        TASK_FILE,
        column("task", [["a"], ["b"]]),
        "column 'task' contains list<.*>, not strings",
    ),
    "tasks that are no text": (
        TASK_FILE,
        column("task", [b"\xff", b"\xfe"]),
        "column 'task' contains binary, not strings",
    ),
    "a frame's task index of a half": (
        DATA,
        column("task_index", [0.0] * 21 + [0.5]),
        "row 21 of column 'task_index' is 0.5; it must be an integer",
    ),
    "a variation that is not a number": (
        DATA,
        column("variation", [1.0] * 4 + [float("nan")] + [1.0] * 17),
        "row 4 of column 'variation' is nan; it must be an integer",
    ),
    "a success of neither": (
        DATA,
        column("next.success", [0] * 7 + [2] + [1] * 14),
        "row 7 of column 'next.success' is neither true nor false, 1 nor 0",
    ),
    "an action beyond float32": (
        DATA,
        column("action", [[0.0, 1e300]] * 22),
        "'action' is not finite in task 'open-door', episode 0, step 0",
    ),
    "states in lists of lists": (
        DATA,
        column("observation.state", [[[0.0]] * 3] * 22),
        "'observation.state' contains list<element: list<element: double>>, not vectors",
    ),
    "a number that is missing in a state": (
        DATA,
        column("observation.state", [[0.0, None, 0.0]] * 22),
        "'observation.state' is not finite in task 'open-door', episode 0, step 0",
    ),
    "texts of gigabytes in few bytes": (TASK_FILE, inflating, "'task' are equal"),
    "tasks without end": (
        TASK_FILE,
        lambda path: repeated(path, ["task_index", "task"]),
        "tasks.parquet has .* bytes and declares .* in memory; at most",
    ),
    "episodes without end": (
        EPISODES,
        lambda path: repeated(path, LISTED),
        "file-000.parquet has .* bytes and declares .* in memory; at most",
    ),
    "frames without end": (
        DATA,
        lambda path: repeated(path, pq.read_schema(path).names),
        "file-000.parquet has .* bytes and declares .* in memory; at most",
    ),
    **{
        f"a link that leaves it, at {file}": (
            file,
            linked,
            "is a link that leaves the data set; put a copy of the file there",
        )
        for file in (INFO, ABOUT, TASK_FILE, EPISODES, DATA)
    },
    **{
        f"a pipe at {file}": (file, piped, "is not a regular file")
        for file in (INFO, ABOUT, TASK_FILE, EPISODES, DATA)
    },
    **{
        f"deep nesting in {file}": (
            file,
            replaced(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
            f"{file} is ",
        )
        for file in (INFO, ABOUT)
    },
    **{
        f"a list as {file}": (file, replaced(b"[1]"), f"{file} is damaged")
        for file in (INFO, ABOUT)
    },
    **{
        f"no text in {file}": (file, replaced(b'{"a": "\xff"}'), f"{file} is damaged")
        for file in (INFO, ABOUT)
    },
}
"""Faults that are put in the place of a file, and what is said of each."""


class Fault(NamedTuple):
    """A fault of a data set."""

    put: Callable[[Path], object]
    """Puts it into the folder of a sound data set."""
    message: str
    """Pattern of what is said of it."""


def _in_content(file: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    return lambda folder: edit(folder, file, change)


def _in_place(file: str, change: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda folder: change(folder / file)


FAULTS: dict[str, Fault] = {
    **{
        name: Fault(_in_content(file, change), message)
        for name, (file, change, message) in BROKEN.items()
    },
    **{
        name: Fault(_in_place(file, change), message)
        for name, (file, change, message) in REPLACED.items()
    },
}
"""Every fault, by what a data set then has."""
