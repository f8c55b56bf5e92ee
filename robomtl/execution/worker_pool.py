"""Pool of workers that hold one item each; base of local and Ray executors."""

import time
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from robomtl.errors import (
    InputError,
    MissingExtraError,
    PlugInError,
    SimulationError,
    StartError,
)
from robomtl.execution.heartbeat import Beat
from robomtl.plug_in import exit_described
from robomtl.progress import notice

START_WITHIN = 120.0
"""Lower bound of the time limit for starting a worker [s]; ``limit`` is chosen for items,
whereas the start-up time depends on the load of the machine."""

_LOST_TRIALS = 5  # Per item; if more trials kill workers, the suite is broken.


class Failure(NamedTuple):
    """Result of an item that failed in every attempt."""

    reason: str


class Answer(NamedTuple):
    """Answer of a worker: one when it has started, and then one for each item."""

    kind: Literal["done", "retry", "raise"]
    """``retry`` if another worker may succeed, ``raise`` if none would."""
    value: Any = None
    """Result for ``done``; reason for ``retry``; exception for ``raise``."""
    trial: int = 0
    """Key of the trial in whose simulator the worker died or hung; 0 for none."""


@dataclass(eq=False)
class Worker:
    """State of a worker."""

    index: int | None = None
    """Index of its current item; None if idle."""
    kind: Hashable = None
    """Kind of its latest item."""
    started: bool = False
    """Whether it has started, and so can be given an item."""
    since: float = field(default_factory=time.monotonic)
    """Monotonic time at which it was spawned, given its item, or last progressed [s]."""
    beats: int = 0
    """Number of its notes of progress up to ``since``."""

    @property
    def idle(self) -> bool:
        """Whether it waits for an item."""
        return self.started and self.index is None


class _Tried:
    """Counts of failed attempts at an item, and its trials that are given up.

    Args:
        attempts: Number of times that a trial, or the item itself, is tried.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._failed: Counter[int] = (
            Counter()
        )  # Keyed by the trial at fault; 0 for none.
        self.lost: dict[int, str] = {}

    def goes_on_after(self, answer: Answer) -> bool:
        """Counts a failed attempt; whether the item is tried again, without lost trials."""
        self._failed[answer.trial] += 1
        if self._failed.total() >= self._attempts * _LOST_TRIALS:
            return False
        if self._failed[answer.trial] < self._attempts:
            return True
        if answer.trial:
            self.lost[answer.trial] = answer.value
        return bool(answer.trial)


AnyWorker = TypeVar("AnyWorker", bound=Worker)


class WorkerPool(ABC, Generic[AnyWorker]):
    """Workers of one ``map`` call; those that die or hang are replaced.

    Args:
        size: Largest number of workers.
        attempts: Number of times that an item is tried before it counts as failed, and
            number of failed starts in a row, without any running worker, that is an error.
        limit: Longest time that a worker may take to make progress while it has an item,
            and, where it is above ``START_WITHIN``, to start [s].
    """

    def __init__(self, size: int, attempts: int, limit: float) -> None:
        self._size, self._attempts, self._limit = size, attempts, limit
        self._workers: list[AnyWorker] = []
        self._failed_starts = 0  # Consecutive ones.

    @abstractmethod
    def spawn(self) -> AnyWorker:
        """Starts a worker, which sends its first answer once it has started."""

    @abstractmethod
    def give(self, worker: AnyWorker, item: Any, lost: Mapping[int, str]) -> None:
        """Sends an item to an idle worker; ``receive`` notices if the worker has died.

        Args:
            worker: The worker.
            item: Item to work on.
            lost: Reasons for trials of the item that are skipped; see ``Heartbeat``.
        """

    @abstractmethod
    def answering(self, workers: Sequence[AnyWorker]) -> Sequence[AnyWorker]:
        """Workers among these that have answered or are lost; waits at most a second."""

    @abstractmethod
    def receive(self, worker: AnyWorker) -> Answer:
        """Answer of a worker; ``retry`` if it was lost."""

    @abstractmethod
    def lost(self, worker: AnyWorker) -> bool:
        """Whether an idle worker is known to have died."""

    @abstractmethod
    def beat(self, worker: AnyWorker) -> Beat:
        """Latest note of a worker; constant if notes cannot be read."""

    @abstractmethod
    def discard(self, worker: AnyWorker) -> None:
        """Kills a worker, whatever it is doing."""

    @abstractmethod
    def no_start(self, reason: str) -> str:
        """Error message for the case that no worker starts.

        Args:
            reason: Reason why the last one failed to start.
        """

    def map(
        self, items: Sequence[Any], kind: Callable[[Any], Hashable]
    ) -> Iterator[tuple[int, Any]]:
        """Yields (index of the item, its result or ``Failure``) as results come.

        Args:
            items: Items to work on.
            kind: Returns the kind of an item; see ``Executor``.

        Raises:
            Exception: If a worker answers with one to raise.
            StartError: If no worker starts.
        """
        waiting = list(reversed(range(len(items))))
        tried: list[_Tried] = [_Tried(self._attempts) for _ in items]
        kinds = [kind(item) for item in items]
        try:
            while waiting or self._busy():
                self._feed(waiting, items, kinds, tried)
                for index, answer in self._answers():
                    if answer.kind == "done":
                        yield index, answer.value
                        continue
                    if tried[index].goes_on_after(answer):
                        waiting.append(index)
                    else:
                        yield index, Failure(answer.value)
        finally:
            for worker in self._workers:
                self.discard(worker)

    def _busy(self) -> int:
        return sum(worker.index is not None for worker in self._workers)

    def _feed(
        self,
        waiting: list[int],
        items: Sequence[Any],
        kinds: Sequence[Hashable],
        tried: Sequence[_Tried],
    ) -> None:
        """Spawns as many workers as are needed, and gives items to idle ones."""
        for worker in [
            worker for worker in self._workers if worker.idle and self.lost(worker)
        ]:
            self._drop(worker)
        while len(self._workers) < min(self._size, len(waiting) + self._busy()):
            self._workers.append(self.spawn())
        idle = [worker for worker in self._workers if worker.idle]
        for worker in idle[: len(waiting)]:
            worker.index = waiting.pop(self._next(worker, waiting, kinds))
            worker.kind, worker.since = kinds[worker.index], time.monotonic()
            self.give(worker, items[worker.index], tried[worker.index].lost)

    def _next(
        self, idle: AnyWorker, waiting: Sequence[int], kinds: Sequence[Hashable]
    ) -> int:
        """Position in ``waiting`` of the next item for an idle worker.

        Items of the worker's latest kind come first, then those of a kind that no other
        worker has.
        """
        taken = {worker.kind for worker in self._workers}
        return max(
            range(len(waiting)),
            key=lambda position: (
                kinds[waiting[position]] == idle.kind,
                kinds[waiting[position]] not in taken,
                position,
            ),
        )

    def _answers(self) -> Iterator[tuple[int, Answer]]:
        """Yields (index of an item, answer of its worker), also for lost or hung workers."""
        waited = [worker for worker in self._workers if not worker.idle]
        answering, now = self.answering(waited), time.monotonic()
        for worker in waited:
            if worker in answering:
                index, answer = worker.index, self.receive(worker)
            elif (beat := self.beat(worker)).beats != worker.beats:
                worker.beats, worker.since = beat.beats, now
                if worker.index is not None:
                    notice(worker.index, beat.thousandths / 1000)
                continue
            elif now - worker.since > (within := self._within(worker)):
                reason = f"made no progress for {within:g} s"
                index, answer = worker.index, Answer("retry", reason, beat.trial)
            else:
                continue
            self._note(worker, answer)
            if index is not None:
                yield index, answer

    def _within(self, worker: AnyWorker) -> float:
        """Longest time without progress that a worker has in its present state [s]."""
        return self._limit if worker.started else max(self._limit, START_WITHIN)

    def _drop(self, worker: AnyWorker) -> None:
        self.discard(worker)
        self._workers.remove(worker)

    def _note(self, worker: AnyWorker, answer: Answer) -> None:
        """Updates a worker after its answer: idle after ``done``, dropped after ``retry``."""
        if answer.kind == "raise":
            raise answer.value
        if answer.kind == "done":
            worker.index, worker.started = None, True
            self._failed_starts = 0
            return
        self._drop(worker)
        if not worker.started and not any(other.started for other in self._workers):
            self._failed_starts += 1
            if self._failed_starts >= self._attempts:
                raise StartError(self.no_start(answer.value))


def check_counts(workers: int, attempts: int) -> None:
    """Refuses counts of workers or attempts below 1.

    Raises:
        InputError: If one is; names it.
    """
    for name, count in {"workers": workers, "attempts": attempts}.items():
        if count < 1:
            raise InputError(f"{name} is {count}; give at least 1.")


def check_limit(limit: float) -> None:
    """Refuses a time limit that is not positive.

    Raises:
        InputError: If it is not a positive number of seconds.
    """
    if not limit > 0:
        raise InputError(f"limit is {limit:g} s; give a number above 0, such as 600.")


def outcome(work: Callable[[Any], Any], item: Any) -> Answer:
    """Answer for an item, with any exception of the work in it; raises nothing."""
    try:
        return Answer("done", work(item))
    except SimulationError as error:
        return Answer("retry", str(error))
    except InputError as error:
        return Answer("raise", _noted(InputError(str(error))))
    except (MissingExtraError, PlugInError) as error:
        return Answer("raise", _noted(type(error)(str(error))))
    except Exception:  # It crosses to the parent, which raises it.
        return Answer("raise", RuntimeError(_trace()))
    except BaseException as error:  # noqa: B036 - as sys.exit and a panic in Rust raise.
        return Answer("raise", _noted(PlugInError(exit_described(error))))


def _noted(error: Exception) -> Exception:
    """The error with a note of the traceback of the exception that is being handled.

    Python shows a note below the traceback; it is not part of the message.
    """
    error.add_note(_trace())
    return error


def _trace() -> str:
    return f"In a worker:\n{traceback.format_exc()}"
