"""Handling of plug-ins' code: descriptions of its exceptions, and envs that may break."""

from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from traceback import extract_tb
from typing import Protocol, TypeVar

from robomtl.errors import InputError, MissingExtraError, PlugInError, SimulationError
from robomtl.task import Env, Suite

FULL = "ROBOMTL_TRACEBACK=1 shows the whole traceback."
"""How a traceback is shown, for the messages about imports that failed."""


def described(error: BaseException) -> str:
    """The type of an exception, its message, and the file and line that raised it."""
    said = f"{type(error).__name__}: {_message(error)}".removesuffix(": ")
    frames = extract_tb(error.__traceback__)
    if not frames or isinstance(error, SyntaxError):  # It says where it is itself.
        return said
    return f"{said} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # Plug-ins define how theirs are shown.
        return "its message cannot be shown"


@contextmanager
def calling(fault: str) -> Iterator[None]:
    """Turns an exception that a plug-in raises in the block into a message.

    Args:
        fault: What cannot be done then, as the beginning of the message.

    Raises:
        PlugInError: If the block raises an exception that is none of robomtl's own.
    """
    try:
        yield
    except (InputError, MissingExtraError, PlugInError, SimulationError):
        raise
    except (Exception, SystemExit) as error:  # Plug-ins raise anything.
        raise PlugInError(f"{fault}: {described(error)}.") from error


def make_env(suite: Suite, task: str) -> Env:
    """An env of a task.

    Raises:
        PlugInError: If making it raises an exception that is none of robomtl's own.
    """
    with calling(f"The env of '{task}' of {suite.name} cannot be made"):
        return suite.make_env(task)


def exit_described(error: SystemExit) -> str:
    """A description of ``sys.exit`` in code that must raise an exception instead."""
    return (
        f"sys.exit() was called: {described(error)}. Code that robomtl calls must report"
        " faults by an exception."
    )


class _Closed(Protocol):
    def close(self) -> None: ...


Made = TypeVar("Made", bound=_Closed)


@contextmanager
def looked_at(make: Callable[[], Made]) -> Iterator[Made]:
    """An env that is inspected in this process, and closed at the end of the block.

    The working directory, which envs may change while they are made, is restored. An env
    that cannot be closed is left.
    """
    with chdir("."):
        env = make()
        try:
            yield env
        finally:
            close_broken(env)


def close_broken(env: _Closed) -> None:
    """Closes an env that may have broken."""
    with suppress(Exception):  # Nothing depends on it, and plug-ins raise anything.
        env.close()
