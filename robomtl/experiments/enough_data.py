"""Demonstrations of an experiment: enough of each task, whether collected or given."""

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
    """The folder of collected demonstrations, at least so many of each task.

    Those of an experiment with fewer are not touched: more are collected beside them,
    the first of which are the same.

    Args:
        suite: Supplies tasks and experts.
        folder: Of the experiment.
        tasks: Names of the tasks.
        count: Demonstrations of each.
        noise: Disturbance of the experts; see ``collect``.
        compute: Processes that collect.
    """
    names = [path.name.removeprefix(_FOLDER) for path in folder.glob(f"{_FOLDER}*")]
    there = [int(name) for name in names if name.isdecimal()]
    episodes = min((number for number in there if number >= count), default=count)
    out = folder / f"{_FOLDER}{episodes}"
    config = CollectionConfig(tasks=tasks, episodes=episodes, noise=noise)
    collect_parts(suite, out, config, compute=compute)
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
