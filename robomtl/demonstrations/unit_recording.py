"""Records the units of a collection in processes, until each task has its episodes."""

import time
from collections.abc import Generator, Mapping
from contextlib import closing
from typing import cast

from robomtl.demonstrations.blocks import Block, Unit
from robomtl.demonstrations.expert_episodes import Recorder
from robomtl.demonstrations.layout import Sizes
from robomtl.demonstrations.staging import Staging
from robomtl.demonstrations.task_collection import TaskCollection
from robomtl.demonstrations.task_sizes import refuse_different_sizes
from robomtl.errors import SimulationError
from robomtl.execution.executor import Executor, Failure
from robomtl.progress import Advance, progress


class _Recording:
    """Progress of the collection of all tasks, with the finished units on disk."""

    def __init__(
        self, task_collections: Mapping[str, TaskCollection], staging: Staging
    ) -> None:
        self.task_collections, self.staging = task_collections, staging
        self.sizes: Sizes | None = None
        self.like = ""  # Task whose sizes all others must have.

    def planned(self) -> list[Unit]:
        """Units to run now, after those finished in an earlier run were counted."""
        units: list[Unit] = []
        for task_collection in self.task_collections.values():
            while kept := [u for u in task_collection.planned() if self._kept(u)]:
                for unit in kept:
                    self.take(unit, self.staging.load(unit.task, unit.start))
            units += task_collection.planned()
        return units

    def _kept(self, unit: Unit) -> bool:
        return self.staging.contains(unit.task, unit.start)

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
        self.task_collections[unit.task].finish(
            unit.start, block.outcome.tolist(), str(block.error)
        )

    @property
    def done(self) -> int:
        """Number of episodes that count so far."""
        return sum(
            task_collection.done for task_collection in self.task_collections.values()
        )

    def run(
        self,
        units: list[Unit],
        recorder: Recorder,
        executor: Executor,
        advance: Advance,
    ) -> None:
        """Runs units in processes, and stores the result of each as it finishes.

        Raises:
            SimulationError: If a unit had no result after every attempt.
        """
        frames, begun = 0, time.monotonic()
        results = executor.map(recorder, units)
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


def record(
    task_collections: Mapping[str, TaskCollection],
    recorder: Recorder,
    staging: Staging,
    executor: Executor,
) -> Sizes:
    """Records all units of a collection and stores each; returns their sizes.

    Args:
        task_collections: The collection of each task, which receives the outcomes.
        recorder: Records a unit in a worker process.
        staging: Finished units on disk; those of an earlier run are not recorded again.
        executor: Runs the recorder.

    Raises:
        InputError: If tasks differ in their sizes, or an expert fails too often or has no
            variation left.
        EpisodesError: If most failures of a task were errors.
        GaveUpError: If a policy acts, and most of its failures were errors.
        SimulationError: If a unit had no result after every attempt.
    """
    recording = _Recording(task_collections, staging)
    units = recording.planned()
    total = recorder.request.episodes * len(task_collections)
    with progress("Collecting", total, done=recording.done) as advance:
        while units:
            recording.run(units, recorder, executor, advance)
            units = recording.planned()
    assert recording.sizes is not None
    return recording.sizes
