"""Handling of plug-ins' code: descriptions of its exceptions, and envs that may break."""

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
"""How a traceback is shown, for the messages about imports that failed."""


ENDING = (InputError, MissingExtraError, PlugInError, KeyboardInterrupt)
"""Exceptions in a simulator that end all work: every trial would raise them, or a user
stops it."""


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
def calling(fault: str, *, but: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
    """Turns an exception that a plug-in raises in the block into a message.

    Args:
        fault: What cannot be done then, as the beginning of the message.
        but: Exceptions that the caller answers.

    Raises:
        PlugInError: If the block raises another exception that is none of robomtl's own.
    """
    answered: tuple[type[BaseException], ...] = (*ENDING, SimulationError, *but)
    try:
        yield
    except answered:
        raise
    except BaseException as error:  # Plug-ins raise anything.
        raise PlugInError(f"{fault}: {described(error)}.") from error


def make_env(suite: Suite, task: str) -> Env:
    """An env of a task.

    Raises:
        PlugInError: If making it raises an exception that is none of robomtl's own.
    """
    with calling(f"The env of '{task}' of {suite.name} cannot be made"):
        return suite.make_env(task)


def make_expert(suite: Suite, task: str) -> Expert:
    """The expert of a task.

    Raises:
        ValueError: If the suite has none, see ``Suite.make_expert``.
        PlugInError: If making it raises another exception that is none of robomtl's own.
    """
    with calling(
        f"The expert of '{task}' of {suite.name} cannot be made", but=(ValueError,)
    ):
        return suite.make_expert(task)


def exit_described(error: BaseException) -> str:
    """A description of ``sys.exit`` or the like in code that must raise an exception."""
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


def is_own(thing: object) -> bool:
    """Whether the class of an object is one of robomtl's own."""
    return type(thing).__module__.partition(".")[0] == "robomtl"


def calling_method(
    plug_in: object, method: str, *, but: tuple[type[BaseException], ...] = ()
) -> AbstractContextManager[None]:
    """Turns what a method of a plug-in raises in the block into a message that names it.

    What a class of robomtl's own raises is a bug, and stays as it is.

    Args:
        plug_in: The object whose method is called.
        method: Name of the method.
        but: Exceptions that the caller answers.

    Raises:
        PlugInError: If the method raises another exception that is none of robomtl's own.
    """
    if is_own(plug_in):
        return nullcontext()
    return calling(f"{type(plug_in).__name__}.{method} raised an exception", but=but)


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


def inspected(suite: Suite, task: str) -> AbstractContextManager[Env]:
    """An env of a task, which is inspected in this process; see ``looked_at``.

    Raises:
        PlugInError: See ``make_env``.
    """
    return looked_at(partial(make_env, suite, task))


def close_broken(env: _Closed) -> None:
    """Closes an env that may have broken."""
    with suppress(Exception):  # Nothing depends on it, and plug-ins raise anything.
        env.close()
