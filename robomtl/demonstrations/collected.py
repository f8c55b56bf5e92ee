"""Writes the data set of a collection whose units are all recorded."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from rich.table import Table

from robomtl.demonstrations.blocks import Block
from robomtl.demonstrations.collection_request import Request
from robomtl.demonstrations.layout import Sizes
from robomtl.demonstrations.staging import Staging
from robomtl.demonstrations.task_collection import Tally, TaskCollection
from robomtl.demonstrations.writing import Header, Recorded, write_shown
from robomtl.errors import GaveUpError
from robomtl.progress import remark, remark_table


def kept_episodes(task: int, block: Block) -> Iterator[Recorded]:
    """The episodes of a unit that are kept.

    Args:
        task: Index of the unit's task.
        block: Result of the unit.
    """
    ends = np.cumsum(block.length)
    for i in np.flatnonzero(block.length):
        frames = slice(ends[i] - block.length[i], ends[i])
        yield Recorded(
            task,
            int(block.variation[i]),
            block.state[frames],
            block.action[frames],
            block.reward[frames],
            block.success[frames],
            {name: values[frames] for name, values in block.others.items()},
        )


def _recorded(
    task_collections: Mapping[str, TaskCollection],
    tallies: Mapping[str, Tally],
    staging: Staging,
) -> Iterator[Recorded]:
    """The episodes of the data set: the kept ones up to the last that counts."""
    for index, task_collection in enumerate(task_collections.values()):
        tried = {*task_collection.variations[: tallies[task_collection.task].tried]}
        blocks = (
            staging.load(task_collection.task, start)
            for start in task_collection.starts
        )
        episodes = (e for block in blocks for e in kept_episodes(index, block))
        yield from (each for each in episodes if each.variation in tried)


def _given_up(tallies: Mapping[str, Tally], errors: Mapping[str, str]) -> str:
    """The reason why a policy has no episode to write."""
    tried = sum(tally.tried for tally in tallies.values())
    if tried == sum(tally.unstable for tally in tallies.values()):
        last = [*errors.values()][-1]
        return f"All {tried} episodes of the policy were aborted by errors; the last: {last}."
    return (
        f"The policy solved none of {tried} episodes, so nothing is left to imitate;"
        " record the expert's labels (--labels expert), or train it further first."
    )


def _header(
    request: Request,
    task_collections: Mapping[str, TaskCollection],
    tallies: Mapping[str, Tally],
    staging: Staging,
    sizes: Sizes,
) -> Header:
    """The header of the data set, which describes all but its episodes."""
    tasks: list[dict[str, Any]] = []
    for name, task_collection in task_collections.items():
        horizon = int(staging.load(name, 0).horizon)
        about = {
            "name": name,
            "instruction": task_collection.instruction,
            "horizon": None if horizon < 0 else horizon,
        }
        tasks.append(about | tallies[name]._asdict())
    return Header(
        instructions=[
            task_collection.instruction for task_collection in task_collections.values()
        ],
        sizes=sizes._replace(video=request.video),
        robot_type=request.suite.partition("/")[0],
        robomtl={"request": request.plain(), "tasks": tasks},
    )


def _report(tallies: Mapping[str, Tally], errors: Mapping[str, str]) -> None:
    table = Table("task", title="Demonstrations")
    for heading in Tally._fields:
        table.add_column(heading, justify="right")
    for name, tally in tallies.items():
        table.add_row(name, *map(str, tally))
    remark_table(table)
    for name, error in errors.items():
        remark(f"An episode of {name} was aborted: {error}")


def write_collected(
    request: Request,
    task_collections: Mapping[str, TaskCollection],
    staging: Staging,
    sizes: Sizes,
) -> None:
    """Writes the data set into its folder, and prints the outcomes of each task.

    Args:
        request: Settings of the collection.
        task_collections: The finished collection of each task.
        staging: Units on disk, which are removed.
        sizes: Sizes of the episodes.

    Raises:
        GaveUpError: If the episodes of a policy are collected, and it solved none, or all
            were aborted by errors.
    """
    tallies = {
        name: task_collection.tally()
        for name, task_collection in task_collections.items()
    }
    errors = {
        name: task_collection.error
        for name, task_collection in task_collections.items()
        if task_collection.error
    }
    episodes = _recorded(task_collections, tallies, staging)
    first = next(episodes, None)
    if first is None:
        raise GaveUpError(_given_up(tallies, errors))
    header = _header(request, task_collections, tallies, staging, sizes)
    every = itertools.chain([first], episodes)
    total = request.episodes * len(task_collections)
    write_shown(staging.fresh_folder(), header, every, total)
    staging.publish()
    _report(tallies, errors)
