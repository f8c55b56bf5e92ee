"""Executor that maps work over local processes and survives crashed ones."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import (
    Callable,
    Hashable,
    Iterator,
    Mapping,
    MutableSequence,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, TypeVar

from robomtl.errors import InputError
from robomtl.execution.cores import check_room
from robomtl.execution.exit_codes import ended
from robomtl.execution.heartbeat import HEARTBEAT, Beat
from robomtl.execution.heartbeat import LIMIT as LIMIT
from robomtl.execution.sendable import check_sendable, main_file
from robomtl.execution.worker_pool import (
    Answer,
    Worker,
    WorkerPool,
    check_counts,
    check_limit,
    outcome,
)
from robomtl.execution.worker_pool import Failure as Failure
from robomtl.imports import import_modules, imported

Item = TypeVar("Item")
Result = TypeVar("Result")

_SPAWN = multiprocessing.get_context("spawn")


class Executor(Protocol):
    """Maps a function over items in worker processes; results do not depend on workers."""

    @property
    def workers(self) -> int:
        """Largest number of worker processes."""
        ...

    def map(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        kind: Callable[[Item], Hashable] = type,
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Yields (index of the item, its result) as results come.

        Args:
            work: A picklable function; its process stays alive between items, so it may
                cache what is slow to build.
            items: Picklable arguments, started in this order except as ``kind`` says.
            kind: Returns the part of an item that is slow to build, such as its env; a
                process prefers items of the kind that it worked on last.

        Raises:
            ValueError: If ``work`` raises an ``InputError``; a note has the worker's
                traceback.
            StartError: If no worker starts.
            MissingExtraError: If ``work`` raises one, with the same note.
            PlugInError: If ``work`` raises one, with the same note, or ends its process
                by ``sys.exit``.
            RuntimeError: If ``work`` raises another exception than ``SimulationError``.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class LocalExecutor:
    """Processes on this machine; each works on one item at a time.

    An item whose process dies, hangs or reports a ``SimulationError`` is tried again in
    another process; after the last attempt its result is a ``Failure``. If the process
    died or hung in a simulator each time, the item is tried without the trial at fault
    (see ``robomtl.execution.heartbeat``). A process that dies during start-up uses no attempt.
    """

    workers: int = 2
    """Number of processes."""
    attempts: int = 3
    """Number of times that an item is tried before it counts as failed."""
    limit: float = LIMIT
    """Longest time without progress, such as a step of a simulator, after which a process
    is replaced [s]."""

    def __post_init__(self) -> None:
        """Checks the counts and the limit.

        Raises:
            ValueError: If ``workers`` or ``attempts`` is less than 1, ``limit`` is not
                positive, or the machine has too little memory for the processes.
        """
        check_counts(self.workers, self.attempts)
        check_room("workers", self.workers)
        check_limit(self.limit)

    def map(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        kind: Callable[[Item], Hashable] = type,
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Yields (index of the item, its result) as results come; see ``Executor``."""
        yield from _Processes(work, self).map(items, kind)


@dataclass(frozen=True, kw_only=True)
class InProcess:
    """Executor that works in the calling process, for code that runs in a worker itself."""

    workers: int = 1
    """Number of processes."""

    def map(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        kind: Callable[[Item], Hashable] = type,
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Yields (index of the item, its result) in order; see ``Executor``."""
        for index, item in enumerate(items):
            yield index, work(item)


def spawn(target: Callable[..., None], *given: Any) -> tuple[BaseProcess, Connection]:
    """Starts a process that ignores Ctrl-C; returns it and our end of its pipe.

    Args:
        target: Function that the process runs; defined in a module.
        given: Picklable arguments of ``target``; the process's end of the pipe follows.

    Raises:
        ValueError: If no process can be started from here.
    """
    _check_may_spawn()
    ours, theirs = _SPAWN.Pipe()
    arguments = imported(), target, *given, theirs
    process = _SPAWN.Process(target=_begin, args=arguments, daemon=True)
    with _undisturbed(), _importable_main():
        process.start()
    theirs.close()
    return process, ours


def _begin(modules: Sequence[str], target: Callable[..., None], *given: Any) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    import_modules(modules)  # They register names that the process looks up.
    target(*given)


def _check_may_spawn() -> None:
    if multiprocessing.current_process().daemon:
        raise InputError(
            "Worker processes cannot be started in a daemonic process, such as one of a"
            " multiprocessing.Pool; use concurrent.futures.ProcessPoolExecutor there, or"
            " call robomtl outside it."
        )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Blocks SIGINT in processes that start in the block; their parent handles it.

    SIGTERM, which may be handled like Ctrl-C, cannot interrupt the start either.
    """
    # The resource tracker unblocks both signals when it starts, so start it first.
    resource_tracker.ensure_running()
    both = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, both)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _importable_main() -> Iterator[None]:
    """Hides ``__main__.__file__`` if no such file exists, as for ``<stdin>``.

    A child process would try to run that file.
    """
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is None or main_file() is not None:
        yield
        return
    del main.__file__
    try:
        yield
    finally:
        main.__file__ = file


@dataclass(eq=False, kw_only=True)
class _Process(Worker):
    process: BaseProcess
    connection: Connection
    memory: MutableSequence[int]
    """Shared memory of the worker's heartbeat; fields of ``Beat``."""


class _Processes(WorkerPool[_Process]):
    """Worker pool of processes on this machine."""

    def __init__(self, work: Callable[[Any], Any], executor: LocalExecutor) -> None:
        super().__init__(executor.workers, executor.attempts, executor.limit)
        check_sendable(work)
        self._work = work

    def spawn(self) -> _Process:
        memory = _SPAWN.RawArray("Q", len(Beat._fields))
        process, connection = spawn(_serve, self._work, self._limit, memory)
        return _Process(process=process, connection=connection, memory=memory)

    def give(self, worker: _Process, item: Any, lost: Mapping[int, str]) -> None:
        try:
            worker.connection.send((item, lost))
        except ConnectionError:
            pass  # ``receive`` notices the dead process, and the item is tried again.

    def answering(self, workers: Sequence[_Process]) -> Sequence[_Process]:
        ready = wait([worker.connection for worker in workers], timeout=1.0)
        return [worker for worker in workers if worker.connection in ready]

    def receive(self, worker: _Process) -> Answer:
        try:
            received: Answer = worker.connection.recv()
        except (EOFError, OSError):  # OSError: it died halfway through the answer.
            worker.process.join(5)
            reason = f"its process {ended(worker.process.exitcode)}"
            return Answer("retry", reason, self.beat(worker).trial)
        return received

    def lost(self, worker: _Process) -> bool:
        return not worker.process.is_alive()

    def beat(self, worker: _Process) -> Beat:
        return Beat(*worker.memory)

    def discard(self, worker: _Process) -> None:
        worker.connection.close()
        worker.process.kill()
        worker.process.join()

    def no_start(self, reason: str) -> str:
        return (
            f"No worker process starts: {reason}; its output above says why. Define what"
            " workers use in a module; a script that starts workers needs"
            " 'if __name__ == \"__main__\":'."
        )


def _serve(
    work: Callable[[Any], Any],
    limit: float,
    memory: MutableSequence[int],
    connection: Connection,
) -> None:
    """Main loop of a worker process: receives an item, works, and sends the outcome."""
    HEARTBEAT.share(memory)
    HEARTBEAT.limit = limit
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    connection.send(Answer("done"))  # It has started.
    while True:
        try:
            item, HEARTBEAT.lost = connection.recv()
        except EOFError:
            return
        HEARTBEAT.reach(0.0)
        answer = outcome(work, item)
        HEARTBEAT.beat()
        connection.send(answer)


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
