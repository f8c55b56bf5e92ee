"""Work spread over processes of this machine, surviving those that die."""

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
from robomtl.execution.pulse import LIMIT as LIMIT
from robomtl.execution.pulse import PULSE, Beat
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
    """Runs a function over items, anywhere; the same items give the same results."""

    @property
    def workers(self) -> int:
        """Number of processes at most."""
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
            items: Picklable arguments, started in this order but for their kinds.
            kind: Tells what of an item is slow to build: a process goes on with one
                kind while there is any of it.

        Raises:
            ValueError: What ``work`` raises, where the user is at fault; a note holds
                the worker's traceback.
            StartError: If no worker starts.
            MissingExtraError: What ``work`` raises; it is recorded in the same way.
            PlugInError: As above, and where ``work`` ends its process by ``sys.exit``.
            RuntimeError: Any other exception of ``work`` but ``SimulationError``.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class LocalExecutor:
    """Processes on this machine; each holds one item at a time.

    An item whose process dies, hangs or reports a ``SimulationError`` is tried again in
    another process; after the last attempt its result is a ``Failure``. If the process
    died or hung in a simulator each time, the item is tried without the trial at fault
    (see ``robomtl.execution.pulse``). A process that dies before it has started costs no attempt.
    """

    workers: int = 2
    """Number of processes."""
    attempts: int = 3
    """How often an item is tried before it counts as failed."""
    limit: float = LIMIT
    """Longest time without progress, such as a step of a simulator, after which a process
    is replaced [s]."""

    def __post_init__(self) -> None:
        """Checks the counts and the limit.

        Raises:
            ValueError: If there would be no process, more than the machine has room for, no
                attempt or no time.
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
    """This process, which works through the items one by one: for what is a worker itself."""

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
    """A new process that Ctrl-C leaves alone, and our end of the pipe to it.

    Args:
        target: What it runs, a function of a module.
        given: Picklable arguments of it; its end of the pipe is the last.

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
    import_modules(modules)  # They register what the process looks up by name.
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
    """Blocks Ctrl-C for processes that start in the block: the parent answers it.

    SIGTERM, which may do the same as Ctrl-C here, does not break into the start either.
    """
    # The tracker unblocks both when it starts, so it must start first.
    resource_tracker.ensure_running()
    both = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, both)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _importable_main() -> Iterator[None]:
    """Hides the name of a file of ``__main__`` that does not exist, such as ``<stdin>``.

    A child process would try to run it.
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
    """Memory of its pulse."""


class _Processes(WorkerPool[_Process]):
    """Workers on this machine."""

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
            pass  # The dead process is found, and the item tried again, by receive.

    def answering(self, workers: Sequence[_Process]) -> Sequence[_Process]:
        ready = wait([worker.connection for worker in workers], timeout=1.0)
        return [worker for worker in workers if worker.connection in ready]

    def receive(self, worker: _Process) -> Answer:
        try:
            received: Answer = worker.connection.recv()
        except (EOFError, OSError):  # OSError: it died halfway through the answer.
            worker.process.join(5)
            reason = f"its process died with exit code {worker.process.exitcode}"
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
            f"No worker process starts: {reason}, having said above why. What it works"
            " with is to be defined in a module; a script that starts workers needs"
            " 'if __name__ == \"__main__\":'."
        )


def _serve(
    work: Callable[[Any], Any],
    limit: float,
    memory: MutableSequence[int],
    connection: Connection,
) -> None:
    """The life of a process: receive an item, work, send the outcome."""
    PULSE.share(memory)
    PULSE.limit = limit
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    connection.send(Answer("done"))  # It has started.
    while True:
        try:
            item, PULSE.lost = connection.recv()
        except EOFError:
            return
        PULSE.reach(0.0)
        answer = outcome(work, item)
        PULSE.beat()
        connection.send(answer)


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
