"""The folder that a verb writes to."""

import datetime
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from robomtl.cli.recorded_flags import by_flag
from robomtl.errors import InputError, OtherRequestError
from robomtl.files.durable import writing_into
from robomtl.files.paths import expanded
from robomtl.names import file_name


@contextmanager
def run_directory(
    out: Path | None, verb: str, name: str, *, flags: Any
) -> Iterator[Path]:
    """The folder a verb writes to, named at the start and when the verb is stopped.

    Args:
        out: The requested folder; a new dated one under ``runs/`` if None.
        verb: What is done.
        name: What it is done with.
        flags: Dataclass of the verb's flags, by which settings are named in messages.

    Raises:
        KeyboardInterrupt: Saying how to go on, where the block is interrupted.
        InputError: If the folder was begun with other settings.
    """
    folder = _dated(verb, name) if out is None else expanded(out)
    print(f"Run directory: {folder}", flush=True)
    try:
        yield folder
    except KeyboardInterrupt:
        where = "" if out else f" with --out {shlex.quote(str(folder))}"
        message = f"What was finished is kept; the same command{where} goes on."
        raise KeyboardInterrupt(f"Stopped. {message}") from None
    except OtherRequestError as error:
        raise InputError(error.message(by_flag(flags))) from error
    finally:
        if out is None:
            with suppress(OSError):  # As where something was finished in it.
                folder.rmdir()


def _dated(verb: str, name: str) -> Path:
    """A new folder, which no other process has, were it begun in the same second."""
    now = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    stem = f"{now}_{verb}_{file_name(name.replace('/', '-'))}"
    folder, number = Path("runs") / stem, 1
    while True:
        try:
            with writing_into(folder):
                folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
            folder = folder.with_name(f"{stem}-{number}")
