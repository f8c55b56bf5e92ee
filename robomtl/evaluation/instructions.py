"""Instructions that an actor is conditioned on in each trial."""

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
    "paraphrased": "the wordings training may use except the first, in turn",
    "held-out": "wordings never trained on, in turn",
    "shuffled": "the name and first wording of another task",
    "wrong": "names and first wordings of other tasks with the same scene, in turn",
    "none": "nothing of the task",
}
"""Kinds of instructions; the path of a JSON file with wordings is the alternative."""

_Choices = Mapping[str, Sequence[TaskInfo]]
"""Task information for the trials of each task, assigned in turn."""


def task_infos_of(
    suite: Suite, trials: Sequence[Trial], instructions: str, *, seed: int = 0
) -> tuple[TaskInfo, ...]:
    """Task information of each trial; a task's wordings are used in turn, and so evenly.

    Args:
        suite: Suite of the tasks.
        trials: Trials of the suite.
        instructions: One of ``KINDS``, or the path of a JSON file with an object that has
            a list of wordings for each task.
        seed: Seed of the permutation of ``shuffled``.

    Raises:
        ValueError: If the instructions are unknown, the file is broken or does not fit
            the tasks, or a task has no wording of the requested kind.
    """
    tasks = _tasks_of(suite, trials)
    choices = _choices(suite, tasks, instructions, seed)
    turns = {task.name: count() for task in tasks}
    infos = []
    for trial in trials:
        own = choices[trial.task]
        infos.append(own[next(turns[trial.task]) % len(own)])
    return tuple(infos)


tell = task_infos_of
"""Former name of ``task_infos_of``, kept for users' scripts."""


def rivals_of(suite: Suite) -> dict[str, tuple[Task, ...]]:
    """Other tasks in the families of each task, by name; only tasks that have any.

    These are training tasks if the families have other ones, as an actor may know only
    those by name; else held-out tasks.
    """
    families = families_of(suite)
    rivals: dict[str, tuple[Task, ...]] = {}
    for task in (*suite.train_tasks, *suite.held_out_tasks):
        shared = [names for names in families.values() if task.name in names]
        names = {name for family in shared for name in family} - {task.name}
        for part in (suite.held_out_tasks, suite.train_tasks):
            others = tuple(other for other in part if other.name in names)
            if others:
                rivals[task.name] = others
    return rivals


def _tasks_of(suite: Suite, trials: Sequence[Trial]) -> tuple[Task, ...]:
    names = {trial.task for trial in trials}
    all_tasks = (*suite.train_tasks, *suite.held_out_tasks)
    return tuple(task for task in all_tasks if task.name in names)


def _choices(
    suite: Suite, tasks: Sequence[Task], instructions: str, seed: int
) -> _Choices:
    match instructions:
        case "canonical":
            return {
                task.name: [TaskInfo(task.name, task.instruction)] for task in tasks
            }
        case "train":
            return {task.name: _task_infos(task, task.instructions) for task in tasks}
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


def _task_infos(task: Task, wordings: Sequence[str]) -> list[TaskInfo]:
    return [TaskInfo(task.name, wording) for wording in wordings]


def _paraphrased(task: Task) -> list[TaskInfo]:
    if len(task.instructions) == 1:
        raise InputError(
            f"Task '{task.name}' has one wording to train on, so no paraphrase; add"
            " wordings to the suite, or give a file of them."
        )
    return _task_infos(task, task.instructions[1:])


def _held_out(task: Task) -> list[TaskInfo]:
    if not task.held_out_instructions:
        raise InputError(
            f"Task '{task.name}' has no held-out wording; give a file of wordings."
        )
    return _task_infos(task, task.held_out_instructions)


def _shuffled(
    suite: Suite, tasks: Sequence[Task], seed: int
) -> dict[str, list[TaskInfo]]:
    """Instruction of another task for each task, by a cyclic permutation.

    Training and held-out tasks are permuted separately, as an actor may know only the
    training tasks by name.
    """
    infos: dict[str, list[TaskInfo]] = {}
    kinds = {"training": suite.train_tasks, "held-out": suite.held_out_tasks}
    for kind, members in kinds.items():
        if len(members) == 1 and members[0] in tasks:
            raise InputError(
                f"'{members[0].name}' is the only {kind} task of {suite.name}, so there is"
                " no other task whose instruction it could get."
            )
        order = random.Random(seed).sample(members, len(members))
        for task, other in zip(order, order[1:] + order[:1], strict=True):
            infos[task.name] = [TaskInfo(other.name, other.instruction)]
    return infos


def _wrong(suite: Suite, tasks: Sequence[Task]) -> dict[str, list[TaskInfo]]:
    rivals = rivals_of(suite)
    alone = [task.name for task in tasks if task.name not in rivals]
    if alone:
        raise InputError(
            f"{suite.name} has no other task with the scene of {', '.join(alone)}, whose"
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
        return "A suite declares which tasks share a scene in its property 'families'."
    return f"Evaluate some of {', '.join(rivals)}."


def _from_file(
    path: Path, suite: Suite, tasks: Sequence[Task]
) -> dict[str, list[TaskInfo]]:
    wordings = _read(path)
    names = {task.name for task in (*suite.train_tasks, *suite.held_out_tasks)}
    for name, values in wordings.items():
        if name not in names:
            raise InputError(f"{path}: " + unknown(f"{suite.name} task", name, names))
        _check_wordings(path, name, values)
    missing = [task.name for task in tasks if task.name not in wordings]
    if missing:
        raise InputError(f"{path} has no wording for: {', '.join(missing)}.")
    return {task.name: _task_infos(task, wordings[task.name]) for task in tasks}


def _read(path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        raise InputError(f"There is no file of instructions {path}.")
    return read_json(path, dict[str, list[str]])


def _check_wordings(path: Path, name: str, values: Sequence[str]) -> None:
    if not values or not all(value.strip() for value in values):
        raise InputError(
            f"{path}: '{name}' has {values!r}; give a list of at least 1 wording."
        )
