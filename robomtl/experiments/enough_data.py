"""Demonstrations of an experiment: collected if none are given, checked if they are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from robomtl.demonstrations import CollectionConfig
from robomtl.demonstrations.collect_missing import check_suite, collect_parts
from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.task import Suite

_FOLDER = "demonstrations-"


def collect_enough(
    suite: Suite,
    folder: Path,
    tasks: Sequence[str],
    count: int,
    *,
    noise: float,
    compute: Compute,
) -> Path:
    """Folder of collected demonstrations, with at least ``count`` of each task.

    A smaller collection in the folder is left as it is: a larger one is collected beside
    it, whose first demonstrations are the same.

    Args:
        suite: Supplies tasks and experts.
        folder: Folder of the experiment.
        tasks: Names of the tasks.
        count: Demonstrations of each task.
        noise: Noise on the experts' actions; see ``collect``.
        compute: Processes that collect.
    """
    names = [path.name.removeprefix(_FOLDER) for path in folder.glob(f"{_FOLDER}*")]
    collected = [int(name) for name in names if name.isdecimal()]
    episodes = min((number for number in collected if number >= count), default=count)
    out = folder / f"{_FOLDER}{episodes}"
    config = CollectionConfig(tasks=tasks, episodes=episodes, noise=noise)
    collect_parts(suite, out, config, compute=compute)
    return out


def check_enough(data: Data, suite: Suite, amounts: Mapping[str, int]) -> None:
    """Checks that data has the requested number of demonstrations of each task.

    Args:
        data: Recorded demonstrations.
        suite: Suite that they must be of.
        amounts: Requested demonstrations of each task, by its name.

    Raises:
        InputError: If the data is of another suite, or has too few of a task.
    """
    path = data.path
    advice = "give demonstrations of that suite, or leave --data out to collect them"
    check_suite(data, suite.name, advice)
    known = dict.fromkeys(amounts, 0)
    for number, each in enumerate(data.sets):
        counts = np.bincount(each.episodes.task, minlength=len(each.tasks)).tolist()
        for index, count in zip(data.task_indices(number), counts, strict=True):
            name = data.tasks[index]
            known[name] = known.get(name, 0) + count
    least = min(amounts, key=lambda task: known[task] - amounts[task])
    if known[least] < amounts[least]:
        raise InputError(
            f"{path} has {known[least]} demonstrations of {least}, fewer than the"
            f" {amounts[least]} requested; request at most {known[least]}, or give --data"
            " with more."
        )
