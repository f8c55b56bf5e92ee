"""Names, instructions and origin of the tasks of a data set."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from robomtl.demonstrations import layout
from robomtl.demonstrations.columns import check_distinct, integers, texts
from robomtl.demonstrations.driving import Labels
from robomtl.demonstrations.files import inside
from robomtl.errors import InputError
from robomtl.files.parquet import Parquet, check_rows, columns_of
from robomtl.files.untrusted import converted, read_json

_Count = Annotated[int, Meta(ge=0, le=2**53)]


class About(NamedTuple):
    """The content of ``meta/robomtl.json``, or defaults for a data set without it."""

    names: Mapping[int, str]
    """Name of each task, by its index."""
    failures: Mapping[str, int]
    """Number of episodes of each task in which the expert failed."""
    suite: str | None
    options: Mapping[str, Any]
    """Options of the suite."""
    noise: float | None
    """Largest standard deviation of the action noise; None if unknown."""
    corrected: bool = False
    """Whether an expert labels the states that a policy visited, solved or not."""


@dataclass(frozen=True, kw_only=True)
class _Task:
    name: Annotated[str, Meta(min_length=1)]
    instruction: str
    failed: _Count


@dataclass(frozen=True, kw_only=True)
class _Request:
    suite: str
    options: Mapping[str, Any]
    noise: Annotated[float, Meta(ge=0, le=1)]
    policy: str = ""
    labels: Labels = "expert"


@dataclass(frozen=True, kw_only=True)
class _Robomtl:
    """The fields of ``meta/robomtl.json`` that are read."""

    request: _Request
    tasks: tuple[_Task, ...]


def read_tasks(folder: Path) -> dict[int, str]:
    """The instruction of each task index.

    Raises:
        InputError: If the file is missing, damaged or too large, or two tasks share an
            index or an instruction.
    """
    path, table, column = tasks_table(folder)
    indices = integers(table, "task_index", path).tolist()
    check_distinct(indices, "task_index", path)
    return dict(zip(indices, texts(table, column, path), strict=True))


def tasks_table(folder: Path) -> tuple[Path, Any, str]:
    """Path of the file of tasks, its table, and the name of the column of instructions.

    Raises:
        InputError: If the file is missing, damaged or too large.
    """
    path = inside(folder, layout.TASKS)
    present = columns_of(path)
    # pandas names an index without a name by its level, as LeRobot 0.4 wrote it.
    words = [n for n in ("task", "__index_level_0__") if n in present]
    if "task_index" not in present or not words:
        raise InputError(
            f"{path} has the columns {', '.join(present)}; it must have "
            "'task_index' and 'task'."
        )
    file = Parquet(path, ["task_index", words[0]], texts=words[:1])
    check_rows(path, file.rows, layout.MOST_TASKS)
    return path, file.table(), words[0]


def read_request(folder: Path) -> dict[str, Any]:
    """The request of the collection that made a data set, from ``meta/robomtl.json``.

    Raises:
        InputError: If the file is damaged.
    """
    path = inside(folder, layout.ROBOMTL)
    content = read_json(path, dict[str, Any])
    converted(content, _Robomtl, where=str(path))
    request: dict[str, Any] = content["request"]
    return request


def read_about(folder: Path, instructions: Mapping[int, str]) -> About:
    """Names and origin of the tasks, from ``meta/robomtl.json``.

    Without that file, tasks are named by their instructions.

    Raises:
        InputError: If ``meta/robomtl.json`` is damaged or names other tasks.
    """
    if not os.path.lexists(folder / layout.ROBOMTL):
        return About(instructions, {}, None, {}, None)
    path = inside(folder, layout.ROBOMTL)
    content = read_json(path, _Robomtl)
    names = [task.name for task in content.tasks]
    check_distinct(names, "tasks[].name", path)
    if dict(enumerate(task.instruction for task in content.tasks)) != instructions:
        raise InputError(f"{path} and {layout.TASKS} beside it name different tasks.")
    return About(
        names=dict(enumerate(names)),
        failures={task.name: task.failed for task in content.tasks},
        suite=content.request.suite,
        options=content.request.options,
        noise=content.request.noise,
        corrected=bool(content.request.policy) and content.request.labels == "expert",
    )
