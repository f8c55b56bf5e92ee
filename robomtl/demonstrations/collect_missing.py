"""Demonstrations of an experiment: given data, or data that is collected now."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from robomtl.demonstrations import layout
from robomtl.demonstrations.collecting import collect
from robomtl.demonstrations.collection_config import CollectionConfig
from robomtl.demonstrations.dataset import Demonstrations
from robomtl.demonstrations.driving import Rollouts
from robomtl.demonstrations.mixture import Data, Mixture
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.features import robot_of
from robomtl.files.paths import located
from robomtl.joint import JointSuite
from robomtl.names import file_name
from robomtl.task import Suite, find_task, training_tasks


def check_suite(demonstrations: Data, suite: str, advice: str) -> None:
    """Refuses demonstrations that were not recorded in a suite.

    Args:
        demonstrations: Demonstrations, or a mixture of them.
        suite: Full name of the suite.
        advice: The remedy, as the end of the message.

    Raises:
        InputError: If they are of another suite, or of another tool.
    """
    if demonstrations.suite != suite:
        origin = demonstrations.sets[0].origin
        raise InputError(
            f"{demonstrations.path} {origin}, but {suite} is needed; {advice}."
        )


class Part(NamedTuple):
    """Tasks of one suite and one robot, which one data set can contain."""

    name: str
    """Name of the robot; in a joint suite that of the suite, followed by that of the robot
    if the suite has several."""
    suite: Suite
    tasks: tuple[str, ...]
    """Names of the tasks in this suite."""


def parts_of(suite: Suite, tasks: Sequence[str] | None = None) -> list[Part]:
    """The tasks of a suite, grouped into the data sets that they need.

    Args:
        suite: A suite, which may have several robots, or a joint suite.
        tasks: Names of tasks; None for the suite's training tasks.

    Raises:
        ValueError: If a task is unknown, or none are given and the suite has no training
            tasks.
    """
    names = [t.name for t in training_tasks(suite)] if tasks is None else tasks
    found: dict[tuple[str, str], Part] = {}
    for name in names:
        own, task = suite, find_task(suite, name).name
        if isinstance(suite, JointSuite):
            own, task = suite.origin(name)
        robot = robot_of(own, task)
        part = found.get((own.name, robot), Part(robot, own, ()))
        found[own.name, robot] = part._replace(tasks=(*part.tasks, task))
    if not isinstance(suite, JointSuite):
        return list(found.values())
    return [each._replace(name=_joined(each, found)) for each in found.values()]


def _joined(part: Part, parts: Iterable[tuple[str, str]]) -> str:
    """The name of a part among those of a joint suite."""
    name = part.suite.name.replace("/", "-")
    several = [own for own, _ in parts].count(part.suite.name) > 1
    return f"{name}-{part.name}" if several else name


def collect_parts(
    suite: Suite,
    out: Path,
    config: CollectionConfig,
    *,
    rollouts: Rollouts | None = None,
    compute: Compute | None = None,
) -> list[Demonstrations]:
    """Collects a data set for each part of a suite.

    Args:
        suite: A suite, which may have several robots, or a joint suite.
        out: Folder of the data set; if there are several parts, it contains a folder for
            each.
        config: Settings of the collection.
        rollouts: Policy that acts; None if the experts act.
        compute: Processes or cluster, and the time limit of a step.

    Raises:
        ValueError: If a task is unknown; see also ``collect``.
    """
    parts = parts_of(suite, config.tasks)
    return [
        collect(
            part.suite,
            out / file_name(part.name) if len(parts) > 1 else out,
            config=replace(config, tasks=part.tasks),
            rollouts=rollouts,
            compute=compute,
        )
        for part in parts
    ]


def data_in(folder: Path | str) -> Data:
    """The data set in a folder; a mixture if the folder contains several.

    Raises:
        InputError: If there is no data set, or one is damaged.
    """
    return read_sets(data_sets_in(located(folder)))


def read_sets(paths: Sequence[Path]) -> Data:
    """The data set in one folder, or the mixture of those in several.

    Raises:
        InputError: If a data set is missing or damaged.
    """
    found = [Demonstrations(path) for path in paths]
    return found[0] if len(found) == 1 else Mixture(found)


def data_sets_in(folder: Path) -> list[Path]:
    """Sorted folders of the data sets directly inside a folder; itself if there are none.

    A folder that is a data set is returned alone.
    """
    inside = sorted(path.parents[1] for path in folder.glob(f"*/{layout.INFO}"))
    if (folder / layout.INFO).exists() or not inside:
        return [folder]
    return inside


def obtain(
    suite: Suite,
    folder: Path,
    *,
    data: Path | str | None,
    config: CollectionConfig,
    compute: Compute,
) -> Data:
    """Demonstrations of the training tasks of a suite, collected if none are given.

    Args:
        suite: Supplies the tasks.
        folder: Folder in which ``demonstrations/`` is created if they are collected.
        data: Folder of demonstrations of the same suite; None to collect them.
        config: Settings of the collection; from given data, the first ``episodes`` of
            each task are selected.
        compute: Processes that collect.

    Raises:
        ValueError: If the given data are of another suite or have fewer episodes.
    """
    if data is None:
        collect_parts(suite, folder / "demonstrations", config, compute=compute)
        return data_in(folder / "demonstrations")
    recorded = data_in(data)
    check_suite(recorded, suite.name, "give data of that suite, or none to collect it")
    return recorded.select(per_task=config.episodes)
