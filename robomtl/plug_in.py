"""Calls of plug-in code: messages for its exceptions, and envs that may fail."""

from collections.abc import Callable, Iterator
from contextlib import (
    AbstractContextManager,
    chdir,
    contextmanager,
    nullcontext,
    suppress,
)
from functools import partial
from pathlib import Path
from traceback import extract_tb
from typing import Protocol, TypeVar

from robomtl.errors import InputError, MissingExtraError, PlugInError, SimulationError
from robomtl.task import Env, Expert, Suite

FULL = "ROBOMTL_TRACEBACK=1 shows the whole traceback."
"""Hint for messages about failed imports."""


ENDING = (InputError, MissingExtraError, PlugInError, KeyboardInterrupt)
"""Exceptions in a simulator that end an evaluation: every trial would raise them, or the
user has interrupted it."""


def described(error: BaseException) -> str:
    """The type of an exception, its message, and the file and line that raised it."""
    said = f"{type(error).__name__}: {_message(error)}".removesuffix(": ")
    frames = extract_tb(error.__traceback__)
    if not frames or isinstance(error, SyntaxError):  # Its message has the line.
        return said
    return f"{said} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # Plug-ins define how theirs are shown.
        return "its message cannot be shown"


@contextmanager
def calling(fault: str, *, but: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
    """Converts exceptions that a plug-in raises in the block to ``PlugInError``.

    Args:
        fault: Beginning of the message: the operation that failed.
        but: Exceptions that the caller handles, which pass unchanged.

    Raises:
        PlugInError: If the block raises an exception that is neither in ``but`` nor one of
            robomtl's own.
    """
    answered: tuple[type[BaseException], ...] = (*ENDING, SimulationError, *but)
    try:
        yield
    except answered:
        raise
    except BaseException as error:  # Plug-ins raise anything.
        raise PlugInError(f"{fault}: {described(error)}.") from error


def make_env(suite: Suite, task: str) -> Env:
    """Makes an env of a task.

    Raises:
        PlugInError: If the suite raises an exception that is not one of robomtl's own.
    """
    with calling(f"The env of '{task}' of {suite.name} cannot be made"):
        return suite.make_env(task)


def make_expert(suite: Suite, task: str) -> Expert:
    """Makes the expert of a task.

    Raises:
        InputError: If the suite has no expert for the task, see ``Suite.make_expert``.
        PlugInError: If the suite raises another exception that is not one of robomtl's own.
    """
    fault = f"The expert of '{task}' of {suite.name} cannot be made"
    try:
        with calling(fault, but=(ValueError,)):
            return suite.make_expert(task)
    except InputError:
        raise
    except ValueError as error:  # A plug-in's own form of the contract.
        raise InputError(f"{fault}: {described(error)}.") from error


def exit_described(error: BaseException) -> str:
    """A message about plug-in code that raised a ``SystemExit`` or another non-Exception."""
    exits = isinstance(error, SystemExit)
    what = (
        "sys.exit() was called"
        if exits
        else "Something that is no Exception was raised"
    )
    return (
        f"{what}: {described(error)}. Code that robomtl calls must report"
        " faults by an exception."
    )


def is_own(value: object) -> bool:
    """Whether the class of an object is one of robomtl's own."""
    return type(value).__module__.partition(".")[0] == "robomtl"


def calling_method(
    plug_in: object, method: str, *, but: tuple[type[BaseException], ...] = ()
) -> AbstractContextManager[None]:
    """Converts exceptions of a plug-in's method to ``PlugInError``; see ``calling``.

    Exceptions of robomtl's own classes are bugs and pass unchanged.

    Args:
        plug_in: Object whose method is called in the block.
        method: Name of the method.
        but: Exceptions that the caller handles, which pass unchanged.

    Raises:
        PlugInError: If the method of a plug-in raises an exception that is neither in
            ``but`` nor one of robomtl's own.
    """
    if is_own(plug_in):
        return nullcontext()
    return calling(f"{type(plug_in).__name__}.{method} raised an exception", but=but)


class _Closed(Protocol):
    def close(self) -> None: ...


Made = TypeVar("Made", bound=_Closed)


@contextmanager
def inspection(make: Callable[[], Made]) -> Iterator[Made]:
    """Makes an env for inspection in this process, and closes it at the end of the block.

    The working directory, which envs may change while they are made, is restored.
    Exceptions while closing the env are ignored.
    """
    with chdir("."):
        env = make()
        try:
            yield env
        finally:
            close_broken(env)


def inspection_env(suite: Suite, task: str) -> AbstractContextManager[Env]:
    """Makes an env of a task for inspection in this process; see ``inspection``.

    Raises:
        PlugInError: See ``make_env``.
    """
    return inspection(partial(make_env, suite, task))


def close_broken(env: _Closed) -> None:
    """Closes an env that may have failed; exceptions are ignored."""
    with suppress(Exception):  # Nothing depends on it, and plug-ins raise anything.
        env.close()
