"""Workers that hold one item at a time: what executors share, wherever workers live."""

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
from robomtl.execution.pulse import Beat
from robomtl.plug_in import exit_described
from robomtl.progress import notice

START_WITHIN = 120.0
"""Least time that a worker is given to start [s]: how long that takes depends on the
machine and what else it does, not on the items, which ``limit`` is chosen for."""

_LOST_TRIALS = 5  # Of an item; where more of them kill workers, the suite is broken.


class Failure(NamedTuple):
    """An item that had no result after every attempt."""

    reason: str


class Answer(NamedTuple):
    """An answer of a worker: once when it has started, and then for each item."""

    kind: Literal["done", "retry", "raise"]
    """``retry`` where another worker may succeed, ``raise`` where none would."""
    value: Any = None
    """The result; why to try again; or the exception to raise."""
    trial: int = 0
    """Key of the trial in whose simulator the worker died or hung; 0 for none."""


@dataclass(eq=False)
class Worker:
    """A worker, and what it is doing."""

    index: int | None = None
    """Index of its item; None while it has none."""
    kind: Hashable = None
    """Kind of its latest item."""
    started: bool = False
    """Whether it can be given one."""
    since: float = field(default_factory=time.monotonic)
    """When it began to start, was given its item, or last made progress."""
    beats: int = 0
    """Number of its notes of progress by then."""

    @property
    def idle(self) -> bool:
        """Whether it waits for an item."""
        return self.started and self.index is None


class _Tried:
    """The attempts at an item, and its trials that are given up.

    Args:
        attempts: How often a trial, or the item apart from its trials, is tried.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._failed: Counter[int] = Counter()  # By the trial at fault, 0 for none.
        self.lost: dict[int, str] = {}

    def goes_on_after(self, answer: Answer) -> bool:
        """Whether the item is worth another try, without the trials that are lost."""
        self._failed[answer.trial] += 1
        if self._failed.total() >= self._attempts * _LOST_TRIALS:
            return False
        if self._failed[answer.trial] < self._attempts:
            return True
        if answer.trial:
            self.lost[answer.trial] = answer.value
        return bool(answer.trial)


Some = TypeVar("Some", bound=Worker)


class WorkerPool(ABC, Generic[Some]):
    """The workers of one map; those that die or hang are replaced.

    Args:
        size: Number of workers at most.
        attempts: How often an item is tried before it counts as failed, and how many
            workers in a row may fail to start where there are no others.
        limit: Longest time that a worker may take to make progress while it has an item,
            and, where it is above ``START_WITHIN``, to start [s].
    """

    def __init__(self, size: int, attempts: int, limit: float) -> None:
        self._size, self._attempts, self._limit = size, attempts, limit
        self._workers: list[Some] = []
        self._failed_starts = 0  # In a row.

    @abstractmethod
    def spawn(self) -> Some:
        """A new worker, which answers once it has started."""

    @abstractmethod
    def give(self, worker: Some, item: Any, lost: Mapping[int, str]) -> None:
        """Lets an idle worker begin an item; that it died is found by ``receive``.

        Args:
            worker: The worker.
            item: What to work on.
            lost: Reasons of trials of the item that are skipped, see ``Pulse``.
        """

    @abstractmethod
    def answering(self, workers: Sequence[Some]) -> Sequence[Some]:
        """The workers among these that answer or are lost, after a second at most."""

    @abstractmethod
    def receive(self, worker: Some) -> Answer:
        """The answer of a worker; ``retry`` where it was lost."""

    @abstractmethod
    def lost(self, worker: Some) -> bool:
        """Whether an idle worker is known to have died."""

    @abstractmethod
    def beat(self, worker: Some) -> Beat:
        """The latest note of a worker; constant where notes cannot be read."""

    @abstractmethod
    def discard(self, worker: Some) -> None:
        """Ends a worker, whatever it does."""

    @abstractmethod
    def no_start(self, reason: str) -> str:
        """The message to the user where no worker starts.

        Args:
            reason: What became of the last.
        """

    def map(
        self, items: Sequence[Any], kind: Callable[[Any], Hashable]
    ) -> Iterator[tuple[int, Any]]:
        """Yields (index of the item, its result or ``Failure``) as results come.

        Args:
            items: What to work on.
            kind: Of an item; see ``Executor``.

        Raises:
            Exception: One that a worker answered with.
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
        """Hires workers as far as they are needed, and gives items to idle ones."""
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
        self, idle: Some, waiting: Sequence[int], kinds: Sequence[Hashable]
    ) -> int:
        """The place in ``waiting`` of the item that an idle worker should take.

        It goes on with its kind while there is any of it, and then takes one that no
        other worker is at, if it can.
        """
        taken = {worker.kind for worker in self._workers}
        return max(
            range(len(waiting)),
            key=lambda place: (
                kinds[waiting[place]] == idle.kind,
                kinds[waiting[place]] not in taken,
                place,
            ),
        )

    def _answers(self) -> Iterator[tuple[int, Answer]]:
        """Yields (index of an item, its outcome)."""
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

    def _within(self, worker: Some) -> float:
        """Longest time without progress that a worker may take now [s]."""
        return self._limit if worker.started else max(self._limit, START_WITHIN)

    def _drop(self, worker: Some) -> None:
        self.discard(worker)
        self._workers.remove(worker)

    def _note(self, worker: Some, answer: Answer) -> None:
        """Keeps a worker that answered well; replaces it where it did not."""
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
    """Refuses an executor without a worker or an attempt.

    Raises:
        InputError: Naming the count.
    """
    for name, count in {"workers": workers, "attempts": attempts}.items():
        if count < 1:
            raise InputError(f"{name} is {count}; give at least 1.")


def check_limit(limit: float) -> None:
    """Refuses an executor that gives its workers no time.

    Raises:
        InputError: If the limit is no positive number of seconds.
    """
    if not limit > 0:
        raise InputError(f"limit is {limit:g} s; give a number above 0, such as 600.")


def outcome(work: Callable[[Any], Any], item: Any) -> Answer:
    """The answer for an item, to the process that gave it; raises nothing."""
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
    """The error with the traceback of the one being handled, which a bug is found by.

    A note is shown beneath a traceback and is no part of the message.
    """
    error.add_note(_trace())
    return error


def _trace() -> str:
    return f"In a worker:\n{traceback.format_exc()}"
