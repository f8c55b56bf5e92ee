"""The processes that follow the main one of a training on the same machine."""

import multiprocessing
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from signal import Signals
from typing import NamedTuple

from robomtl.errors import LostProcessError, StartError
from robomtl.execution.executor import spawn
from robomtl.execution.worker_pool import Answer, outcome
from robomtl.progress import quiet
from robomtl.terminal import say
from robomtl.training.processes import KEPT, Processes, accelerate, joined

_SOON = 2.0  # [s] In which a process that was lost is known to have ended.


class _Place(NamedTuple):
    """One of several processes on this machine."""

    rank: int
    number: int
    port: int
    """Where the main process listens."""


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@contextmanager
def _environment(place: _Place) -> Iterator[None]:
    """Lets Accelerate find the processes, as a launcher would."""
    rank, number = str(place.rank), str(place.number)
    wanted = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": number,
        "LOCAL_WORLD_SIZE": number,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(place.port),
        "OMP_NUM_THREADS": "1",  # Else Accelerate sets torch's threads.
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _follow(
    place: _Place,
    device: str,
    follow: Callable[[Processes], None],
    connection: Connection,
) -> None:
    """The life of a process that follows the main one."""
    threading.Thread(target=_end_with_main, args=(place,), daemon=True).start()
    connection.send(Answer("done"))  # It has started.
    answer = outcome(_followed, (place, device, follow))
    with suppress(OSError):  # The main process no longer listens.
        connection.send(answer)


def _followed(given: tuple[_Place, str, Callable[[Processes], None]]) -> None:
    place, device, follow = given
    with (
        suppress(LostProcessError),  # The main process says which one was lost.
        _environment(place),
        joined(device) as processes,
        quiet(),
    ):
        follow(processes)


def _end_with_main(place: _Place) -> None:
    main = multiprocessing.parent_process()
    assert main is not None
    main.join()
    if place.rank == 1:
        say(f"The main process of the training has ended. {KEPT}", stderr=True)
    os._exit(1)


def _check_started(others: Sequence[tuple[BaseProcess, Connection]]) -> None:
    for process, connection in others:
        try:
            connection.recv()
        except EOFError as error:
            process.join()
            raise StartError(
                "A process of the training does not start, having said above why. A"
                " script that trains in several processes needs 'if __name__ =="
                ' "__main__":\'.'
            ) from error


def _reason(others: Sequence[tuple[BaseProcess, Connection]]) -> Exception | None:
    """Why another process has ended; None if that is not known."""
    for process, _ in others:
        process.join(_SOON)
    for rank, (process, connection) in enumerate(others, 1):
        code = process.exitcode
        if code:
            how = (
                f"killed by {Signals(-code).name}" if code < 0 else f"exit code {code}"
            )
            return LostProcessError(
                f"Process {rank} of the training has ended ({how}). {KEPT}"
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
    """The processes of a run of which this one is the main one; the others are started.

    Args:
        number: Number of processes, this one included.
        device: Torch's name of the device that the run computes on.
        follow: What the others compute; picklable.

    Raises:
        MissingExtraError: If the extra ``accelerate`` is missing.
        StartError: If a process does not start.
        LostProcessError: If a process ends before the block does.
    """
    accelerate()
    place = _Place(0, number, _free_port())
    others = [
        spawn(_follow, place._replace(rank=rank), device, follow)
        for rank in range(1, number)
    ]
    try:
        _check_started(others)
        with ExitStack() as stack:
            with _environment(place):
                processes = stack.enter_context(joined(device))
            yield processes
    except LostProcessError as error:
        raise _reason(others) or error from error
    finally:
        for process, connection in others:
            connection.close()
            process.kill()
            process.join()
