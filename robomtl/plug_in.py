"""What plug-ins raise, in words: their exceptions are not ours."""

from collections.abc import Callable, Iterator
from contextlib import chdir, closing, contextmanager, suppress
from pathlib import Path
from traceback import extract_tb
from typing import Protocol, TypeVar

from robomtl.task import Env


def described(error: BaseException) -> str:
    """The kind of an exception, its message, and the file and line it came from."""
    said = f"{type(error).__name__}: {error}".removesuffix(": ")
    frames = extract_tb(error.__traceback__)
    if not frames:
        return said
    return f"{said} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def exit_described(error: SystemExit) -> str:
    """What ended the process, where code that is called must raise an exception."""
    return (
        f"sys.exit() was called: {described(error)}. Code that robomtl calls reports what is"
        " wrong by an exception."
    )


class _Closed(Protocol):
    def close(self) -> None: ...


Made = TypeVar("Made", bound=_Closed)


@contextmanager
def looked_at(make: Callable[[], Made]) -> Iterator[Made]:
    """An env to look at in this process, closed at the end.

    It may change the working directory as it is made; that is as before at the end.
    """
    with chdir("."), closing(make()) as env:
        yield env


def close_broken(env: Env) -> None:
    """Closes an env that may have broken: what it raises then says nothing new."""
    with suppress(Exception):
        env.close()
