"""What plug-ins raise, in words: their exceptions are not ours."""

from contextlib import suppress
from pathlib import Path
from traceback import extract_tb

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


def close_broken(env: Env) -> None:
    """Closes an env that may have broken: what it raises then says nothing new."""
    with suppress(Exception):
        env.close()
