"""Work spread over processes of this machine, surviving those that die."""

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Protocol, TypeVar

from robomtl.errors import SimulationError

Item = TypeVar("Item")
Result = TypeVar("Result")

_SPAWN = multiprocessing.get_context("spawn")


class Failure(NamedTuple):
    """An item that had no result after every attempt."""

    reason: str


class Executor(Protocol):
    """Runs a function over items, anywhere; the same items give the same results."""

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Yields (index of the item, its result) as results come.

        Args:
            work: A picklable function; its process stays alive between items, so it may
                cache what is slow to build.
            items: Picklable arguments, started in this order.

        Raises:
            ValueError: What ``work`` raises, where the user is at fault; a note holds
                the worker's traceback.
            ImportError: What ``work`` raises, where an extra is missing; noted alike.
            RuntimeError: Any other exception of ``work`` but ``SimulationError``.
        """
        ...


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    index: int | None = None
    kind: Hashable = None
    started: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, kw_only=True)
class LocalExecutor:
    """Processes on this machine; each holds one item at a time.

    An item whose process dies, hangs or reports a ``SimulationError`` is tried again in
    a process of its own; after the last attempt its result is a ``Failure``.
    """

    workers: int = 2
    """Number of processes."""
    attempts: int = 3
    """How often an item is tried before it counts as failed."""
    limit: float = 600.0
    """Longest an item may take before its process is replaced [s]."""
    kind: Callable[[Any], Hashable] | None = None
    """Tells what an item needs that is slow to build: a process goes on with one kind
    while there is any of it, and then takes one that no other is at, if it can."""

    def __post_init__(self) -> None:
        """Checks the counts.

        Raises:
            ValueError: If there would be no process or no attempt.
        """
        if self.workers < 1:
            raise ValueError(f"workers is {self.workers}; give at least 1.")
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts}; give at least 1.")

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Yields (index of the item, its result) as results come; see ``Executor``."""
        waiting = list(reversed(range(len(items))))
        tried = [0] * len(items)
        workers: list[_Worker] = []
        try:
            while waiting or any(worker.index is not None for worker in workers):
                self._feed(workers, waiting, work, items)
                for worker in self._ready(workers):
                    index, kind, value = self._receive(worker, workers)
                    if kind == "done":
                        yield index, value
                    elif kind == "raise":
                        raise value
                    else:
                        tried[index] += 1
                        if tried[index] < self.attempts:
                            waiting.append(index)
                        else:
                            yield index, Failure(value)
        finally:
            for worker in workers:
                _stop(worker)

    def _feed(
        self,
        workers: list[_Worker],
        waiting: list[int],
        work: Callable[[Any], Any],
        items: Sequence[Any],
    ) -> None:
        """Gives every idle process an item, starting processes up to the count."""
        for worker in list(workers):
            if worker.index is None and not worker.process.is_alive():
                workers.remove(worker)
        while waiting:
            idle = next((worker for worker in workers if worker.index is None), None)
            if idle is None and len(workers) == self.workers:
                return
            if idle is None:
                idle = _start(work)
                workers.append(idle)
            index = waiting.pop(self._next(idle, workers, waiting, items))
            idle.index, idle.started = index, time.monotonic()
            try:
                idle.connection.send(items[index])
            except ConnectionError:
                pass  # The dead process is found, and the item retried, by _receive.

    def _next(
        self,
        idle: _Worker,
        workers: list[_Worker],
        waiting: list[int],
        items: Sequence[Any],
    ) -> int:
        """The place in ``waiting`` of the item that an idle process should take."""
        places = range(len(waiting))
        if self.kind is None:
            return places[-1]
        kinds = [self.kind(items[index]) for index in waiting]
        known, taken = idle.kind, {worker.kind for worker in workers}
        best = max(places, key=lambda i: (kinds[i] == known, kinds[i] not in taken, i))
        idle.kind = kinds[best]
        return best

    def _ready(self, workers: list[_Worker]) -> list[_Worker]:
        busy = [worker for worker in workers if worker.index is not None]
        done = wait([worker.connection for worker in busy], timeout=1.0)
        now = time.monotonic()
        return [
            worker
            for worker in busy
            if worker.connection in done or now - worker.started > self.limit
        ]

    def _receive(self, worker: _Worker, workers: list[_Worker]) -> tuple[int, str, Any]:
        """Takes (index, kind, value) from a process; a lost process is dropped."""
        index, worker.index = worker.index, None
        assert index is not None
        if not worker.connection.poll():
            reason = f"took longer than {self.limit:g} s"
        else:
            try:
                kind, value = worker.connection.recv()
                if kind != "retry":
                    return index, kind, value
                reason = value
            except (EOFError, OSError):  # OSError: it died halfway through the answer.
                worker.process.join(5)
                reason = f"its process died with exit code {worker.process.exitcode}"
        _stop(worker)
        workers.remove(worker)
        return index, "retry", reason


def _start(work: Callable[[Any], Any]) -> _Worker:
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(work, theirs), daemon=True)
    # The child inherits the mask: Ctrl-C is the parent's to answer.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    process.start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return _Worker(process, ours)


def _stop(worker: _Worker) -> None:
    worker.connection.close()
    worker.process.kill()
    worker.process.join()


def _serve(work: Callable[[Any], Any], connection: Connection) -> None:
    """The life of a process: receive an item, work, send the outcome."""
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        connection.send(_outcome(work, item))


def _outcome(work: Callable[[Any], Any], item: Any) -> tuple[str, Any]:
    try:
        return "done", work(item)
    except SimulationError as error:
        return "retry", str(error)
    except ValueError as error:
        return "raise", _noted(ValueError(str(error)))
    except ImportError as error:
        return "raise", _noted(ImportError(str(error)))
    except BaseException:  # noqa: B036 - it crosses to the parent, which raises it.
        return "raise", RuntimeError(_trace())


def _noted(error: Exception) -> Exception:
    """The error with the traceback of the one being handled, which a bug is found by.

    A note is shown beneath a traceback and is no part of the message.
    """
    error.add_note(_trace())
    return error


def _trace() -> str:
    return f"In a worker:\n{traceback.format_exc()}"


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
