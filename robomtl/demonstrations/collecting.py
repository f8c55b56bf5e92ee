"""Collects episodes of a suite's experts or of a policy; resumes after interruptions."""

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
from rich.table import Table

from robomtl.acting.actor import check_agent
from robomtl.arguments import checked
from robomtl.demonstrations import layout, writing
from robomtl.demonstrations.about import read_request
from robomtl.demonstrations.blocks import Block, Unit
from robomtl.demonstrations.collection_config import CollectionConfig
from robomtl.demonstrations.collection_request import Request, request_for
from robomtl.demonstrations.course import Course, Tally
from robomtl.demonstrations.dataset import Demonstrations
from robomtl.demonstrations.driving import Rollouts
from robomtl.demonstrations.expert_episodes import Recorder
from robomtl.demonstrations.layout import Sizes
from robomtl.demonstrations.staging import Staging
from robomtl.demonstrations.task_sizes import (
    check_compatible_tasks,
    refuse_different_sizes,
)
from robomtl.demonstrations.writing import Header, Recorded
from robomtl.errors import GaveUpError, InputError, SimulationError
from robomtl.execution.compute import Compute
from robomtl.execution.executor import Executor, Failure
from robomtl.files.paths import located
from robomtl.files.request import refuse_other
from robomtl.progress import Advance, progress, remark, remark_table
from robomtl.task import Suite, find_task


class _Collection:
    """Progress of the collection of all tasks, with the finished units on disk."""

    def __init__(
        self,
        suite: Suite,
        request: Request,
        staging: Staging,
        rollouts: Rollouts | None,
    ) -> None:
        self.suite, self.request, self.staging = suite, request, staging
        self._recorder = Recorder(suite, request, rollouts)
        self.sizes: Sizes | None = None
        self.like = ""  # Task whose sizes all others must have.
        self.courses = {
            name: Course(
                request=request,
                task=name,
                variations=suite.variations(name, request.split)[request.first :],
            )
            for name in request.tasks
        }

    def planned(self) -> list[Unit]:
        """Units to run now, after those finished in an earlier run were counted."""
        units: list[Unit] = []
        for course in self.courses.values():
            while kept := [u for u in course.planned() if self._kept(u)]:
                for unit in kept:
                    self.take(unit, self.staging.load(unit.task, unit.start))
            units += course.planned()
        return units

    def _kept(self, unit: Unit) -> bool:
        return self.staging.has(unit.task, unit.start)

    def take(self, unit: Unit, block: Block) -> None:
        """Counts the episodes of a unit.

        Raises:
            InputError: If its sizes differ from those of other units, or if the expert
                of its task has failed too often.
            EpisodesError: If most of these failures were errors.
        """
        others = tuple((name, each.shape[1:]) for name, each in block.others.items())
        state, action = block.state.shape[1], block.action.shape[1]
        sizes = Sizes(state, action, int(block.fps), others)
        if self.sizes is None:
            self.sizes, self.like = sizes, unit.task
        refuse_different_sizes(unit.task, sizes, self.like, self.sizes)
        self.courses[unit.task].finish(
            unit.start, block.outcome.tolist(), str(block.error)
        )

    @property
    def done(self) -> int:
        """Number of episodes that count so far."""
        return sum(course.done for course in self.courses.values())

    @property
    def errors(self) -> dict[str, str]:
        """Error of the latest aborted episode, by task; tasks without one are left out."""
        courses = self.courses.items()
        return {name: course.error for name, course in courses if course.error}

    def run(self, units: list[Unit], executor: Executor, advance: Advance) -> None:
        """Runs units in processes, and stores the result of each as it finishes.

        Raises:
            SimulationError: If a unit had no result after every attempt.
        """
        frames, begun = 0, time.monotonic()
        results = executor.map(self._recorder, units)
        with closing(cast(Generator[tuple[int, Block | Failure], None, None], results)):
            for index, block in results:
                unit, before = units[index], self.done
                if isinstance(block, Failure):
                    raise SimulationError(
                        unit.task, unit.variations[0], 0, block.reason
                    )
                self.staging.save(unit.task, unit.start, block)
                self.take(unit, block)
                frames += int(block.length.sum())
                pace = frames / max(time.monotonic() - begun, 1e-3)
                note = f"{pace:.0f} frames/s, {unit.task}"
                advance(self.done - before, note=note)

    def recorded(self) -> Iterator[Recorded]:
        """The episodes of the data set: the kept ones up to the last that counts."""
        for index, course in enumerate(self.courses.values()):
            tried = {*course.variations[: course.tally().tried]}
            blocks = (self.staging.load(course.task, start) for start in course.starts)
            episodes = (e for block in blocks for e in kept_episodes(index, block))
            yield from (each for each in episodes if each.variation in tried)

    def header(self) -> Header:
        """The header of the data set, which describes all but its episodes."""
        assert self.sizes is not None
        tasks = [self._about(course) for course in self.courses.values()]
        return Header(
            instructions=[task["instruction"] for task in tasks],
            sizes=self.sizes._replace(video=self.request.video),
            robot_type=self.suite.name.partition("/")[0],
            robomtl={"request": self.request.plain(), "tasks": tasks},
        )

    def _about(self, course: Course) -> dict[str, Any]:
        horizon = int(self.staging.load(course.task, 0).horizon)
        return {
            "name": course.task,
            "instruction": find_task(self.suite, course.task).instruction,
            "horizon": None if horizon < 0 else horizon,
            **course.tally()._asdict(),
        }


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


def _recorded_request(out: Path) -> dict[str, Any] | None:
    """The request recorded in a complete data set; None if there is no data set.

    Raises:
        InputError: If the data set was not collected by robomtl, or its request is
            damaged.
    """
    if not (out / layout.INFO).exists():
        return None
    if not (out / layout.ROBOMTL).exists():
        raise InputError(
            f"{out} is a data set that robomtl did not collect; give a new folder."
        )
    return read_request(out)


def _report(tallies: dict[str, Tally], errors: dict[str, str]) -> None:
    table = Table("task", title="Demonstrations")
    for heading in Tally._fields:
        table.add_column(heading, justify="right")
    for name, tally in tallies.items():
        table.add_row(name, *map(str, tally))
    remark_table(table)
    for name, error in errors.items():
        remark(f"An episode of {name} was aborted: {error}")


def counted(episodes: Iterator[Recorded], advance: Advance) -> Iterator[Recorded]:
    """Yields the episodes and counts each as done when the next one is requested."""
    for episode in episodes:
        yield episode
        advance()


def _collect(collection: _Collection, executor: Executor) -> None:
    request, staging = collection.request, collection.staging
    units = collection.planned()
    total = request.episodes * len(request.tasks)
    with progress("Collecting", total, done=collection.done) as advance:
        while units:
            collection.run(units, executor, advance)
            units = collection.planned()
    _check_kept(collection)
    with progress("Writing", total) as advance:
        episodes = counted(collection.recorded(), advance)
        writing.write(staging.fresh_folder(), collection.header(), episodes)
    staging.publish()
    courses = collection.courses.items()
    _report({name: course.tally() for name, course in courses}, collection.errors)


def _check_kept(collection: _Collection) -> None:
    """Refuses to write a data set without an episode.

    Raises:
        GaveUpError: If the episodes of a policy are collected, and it solved none, or all
            were aborted by errors.
    """
    if next(collection.recorded(), None) is None:
        tallies = [course.tally() for course in collection.courses.values()]
        tried = sum(tally.tried for tally in tallies)
        if tried == sum(tally.unstable for tally in tallies):
            last = [*collection.errors.values()][-1]
            raise GaveUpError(
                f"All {tried} episodes of the policy were aborted by errors; the last:"
                f" {last}."
            )
        raise GaveUpError(
            f"The policy solved none of {tried} episodes, so nothing is left to imitate;"
            " record the expert's labels (--labels expert), or train it further first."
        )


@checked
def collect(
    suite: Suite,
    out: Path | str,
    *,
    config: CollectionConfig | None = None,
    rollouts: Rollouts | None = None,
    compute: Compute | None = None,
) -> Demonstrations:
    """Collects episodes of a suite's experts, or of a policy, into a data set.

    The first successful episodes of each task are kept, in the order of its variations,
    whatever the number of workers and however often the collection is interrupted. The
    same call resumes an interrupted collection, or returns the finished data set. A policy
    tries each variation once, and ``rollouts`` determines which episodes are kept. Episodes
    that an error aborts are replaced by those of the next variations, while there are any.

    Args:
        suite: Supplies tasks, envs and experts.
        out: Folder for the data set, new or begun by the same request.
        config: Tasks, episodes and noise; the defaults if None.
        rollouts: Policy that acts, and source of the recorded actions; None if the experts
            act.
        compute: Processes or cluster, and the time limit of a step.

    Returns:
        The demonstrations in the folder.

    Raises:
        ValueError: If the config does not fit the suite, the folder contains something
            else, an expert fails too often or runs out of variations, or the policy does
            not fit the suite or solves no episode that could be kept.
        EpisodesError: If most failed episodes of a task are aborted by errors.
        SimulationError: If a process died or hung in every attempt; finished units are
            kept.
    """
    executor = (compute or Compute()).playing
    request = request_for(suite, config or CollectionConfig(), rollouts)
    if rollouts is not None:
        check_agent(rollouts.agent, suite, request.tasks)
    staging = Staging(located(out), request)
    recorded = _recorded_request(staging.out)
    if recorded is None:
        with staging.opened():
            check_compatible_tasks(suite, request)
            _collect(_Collection(suite, request, staging, rollouts), executor)
    else:
        refuse_other(staging.out, recorded, request.plain())
        staging.remove()  # Left if the process was killed while it published.
    return Demonstrations(staging.out)
