"""Envs under check, whose calls must return in time and print nothing."""

import io
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

from robomtl.checking.violations import HangError
from robomtl.errors import InputError
from robomtl.execution.heartbeat import HEARTBEAT
from robomtl.plug_in import calling
from robomtl.task import Env, Suite, one_env_per_process

LIMIT = 60.0
"""Default of the longest time that a call of an env may take [s]."""

_limit = [LIMIT]  # Limit of this process.


def set_limit(seconds: float) -> None:
    """Sets the longest time that a call of an env may take in this process."""
    _limit[0] = seconds


@contextmanager
def watched(suite: Suite, task: str) -> Iterator[Env]:
    """Yields a new env whose ``reset`` and ``step`` are watched; closes it after the block.

    Raises:
        HangError: If a call does not return in time.
        InputError: If ``reset`` or ``step`` prints to standard output.
        PlugInError: If the env cannot be made.
    """
    make_room(suite)
    with _in_time("make_env"), calling("The env cannot be made"):
        env = suite.make_env(task)
    with closing(env):
        for call in ("reset", "step"):
            vars(env)[call] = _watched(getattr(env, call), call)
        yield env


_shared = ExitStack()  # Closes the shared env of this process.
_sharing: dict[tuple[int, str], Env] = {}  # The shared env, by suite and task.


@contextmanager
def shared(suite: Suite, task: str) -> Iterator[Env]:
    """Yields a watched env that the checks of a task use one after the other.

    Making an env may take a simulator seconds, so it is kept after the block until another
    one is needed or ``closes`` is called. It is closed after an exception, which leaves it
    in an unknown state.

    Raises:
        HangError: If a call does not return in time.
        InputError: If ``reset`` or ``step`` prints to standard output.
    """
    key = id(suite), task
    if key not in _sharing:
        _close_shared()
        _sharing[key] = _shared.enter_context(watched(suite, task))
    try:
        yield _sharing[key]
    except BaseException:
        _close_shared()
        raise


def closes(suite: Suite, task: str) -> Iterator[str]:
    """Checks that the shared env of a task can be closed, and closes it."""
    _close_shared()
    yield from ()


def make_room(suite: Suite) -> None:
    """Closes the shared env before another is made, if a process can have only one."""
    if one_env_per_process(suite):
        _close_shared()


def _close_shared() -> None:
    _sharing.clear()
    _shared.close()


def _watched(function: Callable[..., Any], call: str) -> Callable[..., Any]:
    def run(*given: Any, **named: Any) -> Any:
        with _in_time(call), redirect_stdout(io.StringIO()) as printed:
            result = function(*given, **named)
        if said := printed.getvalue():
            raise InputError(
                f"{call} prints {said.splitlines()[0]!r} to standard output, which is for"
                " results; use the logging module, or sys.stderr."
            )
        return result

    return run


@contextmanager
def _in_time(call: str) -> Iterator[None]:
    """Interrupts Python code that exceeds the limit; native code ends with its process."""
    HEARTBEAT.beat()
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(number: int, frame: FrameType | None) -> None:
        where = ""
        if frame is not None:
            where = f" ({Path(frame.f_code.co_filename).name}, line {frame.f_lineno})"
        raise HangError(
            f"{call} did not return within {_limit[0]:g} s{where}; a call that hangs stops"
            " all trials of its process. --limit SECONDS allows more."
        )

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, _limit[0])
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
