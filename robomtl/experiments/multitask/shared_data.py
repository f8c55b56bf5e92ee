"""The demonstrations of a multi-task experiment: the same files for every arm, hashed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from robomtl.demonstrations import CollectionConfig
from robomtl.demonstrations.collect_missing import check_suite, collect_parts
from robomtl.demonstrations.mixture import Data, Mixture
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.experiments.multitask.arm_cells import ArmCell
from robomtl.task import Suite

Hashes = Mapping[int, Mapping[str, str]]
"""By number of demonstrations and task, sha256 of all that can be learned from them."""

_FOLDER = "demonstrations-"


def obtain(
    suite: Suite,
    folder: Path,
    tasks: Sequence[str],
    most: int,
    *,
    noise: float,
    workers: int,
) -> Path:
    """The folder of collected demonstrations, at least so many of each task.

    Those of an experiment with fewer are not touched: more are collected beside them,
    the first of which are the same.

    Args:
        suite: Supplies tasks and experts.
        folder: Of the experiment.
        tasks: Names of the tasks.
        most: Demonstrations of each.
        noise: Disturbance of the experts; see ``collect``.
        workers: Processes that collect.
    """
    there = [
        int(path.name.removeprefix(_FOLDER)) for path in folder.glob(f"{_FOLDER}*")
    ]
    episodes = min((number for number in there if number >= most), default=most)
    out = folder / f"{_FOLDER}{episodes}"
    config = CollectionConfig(tasks=tasks, episodes=episodes, noise=noise)
    collect_parts(suite, out, config, compute=Compute(workers=workers))
    return out


def check_enough(data: Data, suite: Suite, amounts: Mapping[str, int]) -> None:
    """Makes sure that there are so many demonstrations of each task.

    Args:
        data: Recorded.
        suite: In which they are to be recorded.
        amounts: Demonstrations of each task, by its name.

    Raises:
        InputError: If they are of another suite, of a task there are none, or fewer.
    """
    path = data.path
    advice = "give demonstrations of that suite, or leave --data out to collect them"
    check_suite(data, suite.name, advice)
    known = dict.fromkeys(amounts, 0)
    for number, each in enumerate(data.sets):
        counts = np.bincount(each.episodes.task, minlength=len(each.tasks)).tolist()
        for index, count in zip(data.places(number), counts, strict=True):
            name = data.tasks[index]
            known[name] = known.get(name, 0) + count
    least = min(amounts, key=lambda task: known[task] - amounts[task])
    if known[least] < amounts[least]:
        raise InputError(
            f"{path} has {known[least]} demonstrations of {least}, fewer than the"
            f" {amounts[least]} requested; request at most {known[least]}, or give --data"
            " with more."
        )


def hashes(data: Data, amounts: Mapping[int, Mapping[str, int]]) -> Hashes:
    """The hashes of the first demonstrations of each task.

    Args:
        data: Recorded.
        amounts: Demonstrations of each task, by the number of those that are compared.
    """
    return {
        count: {
            task: data.select([task], amount).fingerprint
            for task, amount in tasks.items()
        }
        for count, tasks in amounts.items()
    }


def check_same(arm: str, there: Path, found: Hashes, wanted: Hashes) -> None:
    """Makes sure that an arm reads what the others read.

    Args:
        arm: Its label.
        there: Folder of its demonstrations.
        found: Hashes of these.
        wanted: Those of what the others read.

    Raises:
        InputError: If a task has others.
    """
    for count, tasks in found.items():
        for task, digest in tasks.items():
            if digest != wanted[count][task]:
                raise InputError(
                    f"The arm {arm} reads other demonstrations of {task} than the others:"
                    f" sha256 of the first {count} in {there} is {digest[:12]}, not"
                    f" {wanted[count][task][:12]}. Arms are compared on the same files;"
                    " give it those, or begin anew in another folder."
                )


def read(data: Data, amounts: Mapping[str, int], cell: ArmCell, wanted: Hashes) -> Data:
    """The demonstrations that a cell learns from: the first ones of its tasks.

    All tasks of a single data set keep their index, so that the task embedding of a policy
    of one task has the length of that of a policy of all tasks. Data sets of a mixture that have
    none of the tasks are left out.

    Args:
        data: Recorded.
        amounts: Demonstrations of each task of the experiment, by its name.
        cell: Names its tasks.
        wanted: Hashes of what all cells read.

    Raises:
        ValueError: If these are other demonstrations by now.
    """
    own = {task: amounts[task] for task in cell.tasks}
    found = hashes(data, {cell.demonstrations: own})
    check_same(cell.arm, data.path, found, wanted)
    if isinstance(data, Mixture):
        return data.select(cell.tasks, own)
    chosen = data.select([*amounts], amounts)
    learned = [chosen.tasks.index(task) for task in cell.tasks]
    episodes = np.flatnonzero(np.isin(chosen.episodes.task, learned))
    return chosen.take(episodes.tolist())
