"""The instruction of an actor in each trial."""

import random
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

from robomtl.acting.actor import TaskInfo
from robomtl.errors import InputError
from robomtl.files.paths import located
from robomtl.files.untrusted import read_json
from robomtl.nearest import unknown
from robomtl.task import Suite, Task, Trial, families_of

KINDS: Mapping[str, str] = {
    "canonical": "the first wording of the task",
    "train": "the wordings training may use, in turn",
    "paraphrased": "the wordings training may use but for the first, in turn",
    "held-out": "wordings never trained on, in turn",
    "shuffled": "the name and first wording of another task",
    "wrong": "names and first wordings of other tasks with the same scene, in turn",
    "none": "nothing of the task",
}
"""Kinds of instructions, besides the path of a JSON file with wordings for each task."""

_Choices = Mapping[str, Sequence[TaskInfo]]
"""What trials of each task are given, one after the other, in turn."""


def task_infos_of(
    suite: Suite, trials: Sequence[Trial], instructions: str, *, seed: int = 0
) -> tuple[TaskInfo, ...]:
    """The instruction of each trial; wordings are taken in turn, so all are used evenly.

    Args:
        suite: Supplies the tasks.
        trials: Trials of the suite.
        instructions: One of ``KINDS``, or the path of a JSON file that holds an object
            with a list of wordings for each task.
        seed: Decides whose instruction a task gets under ``shuffled``.

    Raises:
        ValueError: If the instructions are unknown, the file is broken or does not fit
            the tasks, or a task has no wording of the requested kind.
    """
    tasks = _tasks_of(suite, trials)
    choices = _choices(suite, tasks, instructions, seed)
    turns = {task.name: count() for task in tasks}
    found = []
    for trial in trials:
        own = choices[trial.task]
        found.append(own[next(turns[trial.task]) % len(own)])
    return tuple(found)


tell = task_infos_of
"""The earlier name of ``task_infos_of``, which scripts of users call."""


def rivals_of(suite: Suite) -> dict[str, tuple[Task, ...]]:
    """The other tasks of its families, by each task that has any.

    They are training tasks, unless its families have no other of those: an actor may
    know no others by name.
    """
    families = families_of(suite)
    found: dict[str, tuple[Task, ...]] = {}
    for task in (*suite.train_tasks, *suite.held_out_tasks):
        shared = [names for names in families.values() if task.name in names]
        names = {name for family in shared for name in family} - {task.name}
        for part in (suite.held_out_tasks, suite.train_tasks):
            others = tuple(other for other in part if other.name in names)
            if others:
                found[task.name] = others
    return found


def _tasks_of(suite: Suite, trials: Sequence[Trial]) -> tuple[Task, ...]:
    names = {trial.task for trial in trials}
    every = (*suite.train_tasks, *suite.held_out_tasks)
    return tuple(task for task in every if task.name in names)


def _choices(
    suite: Suite, tasks: Sequence[Task], instructions: str, seed: int
) -> _Choices:
    match instructions:
        case "canonical":
            return {
                task.name: [TaskInfo(task.name, task.instruction)] for task in tasks
            }
        case "train":
            return {task.name: _each(task, task.instructions) for task in tasks}
        case "paraphrased":
            return {task.name: _paraphrased(task) for task in tasks}
        case "held-out":
            return {task.name: _held_out(task) for task in tasks}
        case "shuffled":
            return _shuffled(suite, tasks, seed)
        case "wrong":
            return _wrong(suite, tasks)
        case "none":
            return {task.name: [TaskInfo(None, None)] for task in tasks}
    if not instructions.endswith(".json"):
        message = unknown("kind of instructions", instructions, KINDS)
        raise InputError(f"{message} Or give a file that ends in '.json'.")
    return _from_file(located(instructions), suite, tasks)


def _each(task: Task, wordings: Sequence[str]) -> list[TaskInfo]:
    return [TaskInfo(task.name, wording) for wording in wordings]


def _paraphrased(task: Task) -> list[TaskInfo]:
    if len(task.instructions) == 1:
        raise InputError(
            f"Task '{task.name}' has one wording to train on, and so no paraphrase; add"
            " wordings to the suite, or give a file of them."
        )
    return _each(task, task.instructions[1:])


def _held_out(task: Task) -> list[TaskInfo]:
    if not task.held_out_instructions:
        raise InputError(
            f"Task '{task.name}' has no held-out wording; give a file of wordings."
        )
    return _each(task, task.held_out_instructions)


def _shuffled(
    suite: Suite, tasks: Sequence[Task], seed: int
) -> dict[str, list[TaskInfo]]:
    """Each task gets the instruction of another of its split: one cycle through the split.

    The parts are kept apart because an actor may know the training tasks by name only.
    """
    found: dict[str, list[TaskInfo]] = {}
    for part in (suite.train_tasks, suite.held_out_tasks):
        if len(part) == 1 and part[0] in tasks:
            raise InputError(
                f"'{part[0].name}' is alone in its part of {suite.name}: there is no"
                " other task whose instruction it could get."
            )
        order = random.Random(seed).sample(part, len(part))
        for task, other in zip(order, order[1:] + order[:1], strict=True):
            found[task.name] = [TaskInfo(other.name, other.instruction)]
    return found


def _wrong(suite: Suite, tasks: Sequence[Task]) -> dict[str, list[TaskInfo]]:
    rivals = rivals_of(suite)
    alone = [task.name for task in tasks if task.name not in rivals]
    if alone:
        raise InputError(
            f"{suite.name} names no other task with the scene of {', '.join(alone)}, whose"
            f" instruction would be wrong there. {_with_rivals(suite, rivals)}"
        )
    return {
        task.name: [
            TaskInfo(other.name, other.instruction) for other in rivals[task.name]
        ]
        for task in tasks
    }


def _with_rivals(suite: Suite, rivals: Mapping[str, Sequence[Task]]) -> str:
    if not rivals:
        return "A suite says which tasks share a scene by its property 'families'."
    return f"Evaluate some of {', '.join(rivals)}."


def _from_file(
    path: Path, suite: Suite, tasks: Sequence[Task]
) -> dict[str, list[TaskInfo]]:
    wordings = _read(path)
    known = {task.name for task in (*suite.train_tasks, *suite.held_out_tasks)}
    for name, values in wordings.items():
        if name not in known:
            raise InputError(f"{path}: " + unknown(f"{suite.name} task", name, known))
        _check_wordings(path, name, values)
    missing = [task.name for task in tasks if task.name not in wordings]
    if missing:
        raise InputError(f"{path} has no wording for: {', '.join(missing)}.")
    return {task.name: _each(task, wordings[task.name]) for task in tasks}


def _read(path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        raise InputError(f"Instructions are to be read from {path}, but it is no file.")
    return read_json(path, dict[str, list[str]])


def _check_wordings(path: Path, name: str, values: Sequence[str]) -> None:
    if not values or not all(value.strip() for value in values):
        raise InputError(
            f"{path}: '{name}' has {values!r}; give a list of at least 1 wording."
        )
