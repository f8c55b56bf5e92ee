"""The demonstrations of a multi-task experiment: the same files for every arm, hashed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from robomtl.demonstrations import Demonstrations, collect
from robomtl.demonstrations.obtaining import check_suite
from robomtl.errors import InputError
from robomtl.experiments.multitask.arm_design import ArmCell
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
    collect(suite, out, episodes=episodes, noise=noise, workers=workers, tasks=tasks)
    return out


def check_enough(
    demonstrations: Demonstrations, suite: Suite, tasks: Sequence[str], most: int
) -> None:
    """Makes sure that there are so many demonstrations of each task.

    Raises:
        InputError: If they are of another suite, of a task there are none, or fewer.
    """
    path = demonstrations.path
    advice = "give demonstrations of that suite, or leave --data out to collect them"
    check_suite(demonstrations, suite.name, advice)
    counts = np.bincount(
        demonstrations.episodes.task, minlength=len(demonstrations.tasks)
    )
    known = dict(zip(demonstrations.tasks, counts.tolist(), strict=True))
    least = min(tasks, key=lambda task: known.get(task, 0))
    if known.get(least, 0) < most:
        raise InputError(
            f"{path} has {known.get(least, 0)} demonstrations of {least}, fewer than the"
            f" {most} requested; request at most {known.get(least, 0)}, or give --data"
            " with more."
        )


def hashes(
    demonstrations: Demonstrations, tasks: Sequence[str], counts: Sequence[int]
) -> Hashes:
    """The hashes of the first demonstrations of each task."""
    return {
        count: {
            task: demonstrations.select([task], count).fingerprint for task in tasks
        }
        for count in counts
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


def read(
    demonstrations: Demonstrations, tasks: Sequence[str], cell: ArmCell, wanted: Hashes
) -> Demonstrations:
    """What a cell learns from: the first demonstrations of its tasks.

    All tasks of the experiment keep their index, so that what a policy of one task is
    told has the length of what one of all tasks is told.

    Raises:
        ValueError: If these are other demonstrations by now.
    """
    count = cell.demonstrations
    found = hashes(demonstrations, cell.tasks, [count])
    check_same(cell.arm, demonstrations.path, found, wanted)
    chosen = demonstrations.select(tasks, count)
    learned = [chosen.tasks.index(task) for task in cell.tasks]
    episodes = np.flatnonzero(np.isin(chosen.episodes.task, learned))
    return chosen.take(episodes.tolist())
