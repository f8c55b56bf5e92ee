"""Processes that follow the main process of a training on the same machine."""

import multiprocessing
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from robomtl.errors import LostProcessError, StartError
from robomtl.execution.executor import spawn
from robomtl.execution.exit_codes import ended
from robomtl.execution.worker_pool import Answer, outcome
from robomtl.progress import quiet
from robomtl.terminal import say
from robomtl.training.processes import KEPT, Processes, accelerate, joined

_SOON = 2.0  # Time in which a lost process is known to have ended [s].


class _Member(NamedTuple):
    """One of the processes of a training on this machine."""

    rank: int
    """Index of the process; the main one has 0."""
    number: int
    """Number of all processes."""
    port: int
    """Port at which the main process listens."""


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@contextmanager
def _environment(member: _Member) -> Iterator[None]:
    """Sets the environment by which Accelerate finds the processes, as a launcher does."""
    rank, number = str(member.rank), str(member.number)
    variables = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": number,
        "LOCAL_WORLD_SIZE": number,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(member.port),
        "OMP_NUM_THREADS": "1",  # Else Accelerate sets torch's threads.
    }
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _follow(
    member: _Member,
    device: str,
    follow: Callable[[Processes], None],
    connection: Connection,
) -> None:
    """Entry point of a process that follows the main one."""
    threading.Thread(target=_end_with_main, args=(member,), daemon=True).start()
    connection.send(Answer("done"))  # It has started.
    answer = outcome(_followed, (member, device, follow))
    with suppress(OSError):  # The main process may no longer listen.
        connection.send(answer)


def _followed(given: tuple[_Member, str, Callable[[Processes], None]]) -> None:
    member, device, follow = given
    with (
        suppress(LostProcessError),  # The main process says which one was lost.
        _environment(member),
        joined(device) as processes,
        quiet(),
    ):
        follow(processes)


def _end_with_main(member: _Member) -> None:
    main = multiprocessing.parent_process()
    assert main is not None
    main.join()
    if member.rank == 1:
        say(f"The main process of the training has ended. {KEPT}", stderr=True)
    os._exit(1)


def _check_started(others: Sequence[tuple[BaseProcess, Connection]]) -> None:
    for process, connection in others:
        try:
            connection.recv()
        except EOFError as error:
            process.join()
            raise StartError(
                "A process of the training does not start; its error is shown above. A"
                " script that trains in several processes needs 'if __name__ =="
                ' "__main__":\'.'
            ) from error


def _reason(others: Sequence[tuple[BaseProcess, Connection]]) -> Exception | None:
    """The error with which another process has ended; None if that is not known."""
    for process, _ in others:
        process.join(_SOON)
    for rank, (process, connection) in enumerate(others, 1):
        code = process.exitcode
        if code:
            return LostProcessError(
                f"Process {rank} of the training {ended(code)}. {KEPT}"
            )
        if code == 0 and connection.poll():
            answer: Answer = connection.recv()
            if isinstance(answer.value, Exception):
                return answer.value
    return None


@contextmanager
def followed(
    number: int, device: str, follow: Callable[[Processes], None]
) -> Iterator[Processes]:
    """Starts the other processes of a run, of which this one is the main one.

    Args:
        number: Number of processes, this one included.
        device: Torch's name of the device that the run computes on.
        follow: Function that the other processes run; picklable.

    Raises:
        MissingExtraError: If the extra ``accelerate`` is missing.
        StartError: If a process does not start.
        LostProcessError: If a process ends before the block does.
    """
    accelerate()
    member = _Member(0, number, _free_port())
    others = [
        spawn(_follow, member._replace(rank=rank), device, follow)
        for rank in range(1, number)
    ]
    try:
        _check_started(others)
        with ExitStack() as stack:
            with _environment(member):
                processes = stack.enter_context(joined(device))
            yield processes
    except LostProcessError as error:
        raise _reason(others) or error from error
    finally:
        for process, connection in others:
            connection.close()
            process.kill()
            process.join()
