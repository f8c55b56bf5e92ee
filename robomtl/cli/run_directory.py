"""The run directory to which a verb writes."""

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
    """Provides the run directory of a verb, and prints it at the start of the block.

    Args:
        out: Requested folder; None for a new dated folder under ``runs/``.
        verb: Name of the verb, for the name of a dated folder.
        name: Name of a suite or the like, for the name of a dated folder.
        flags: Dataclass of the verb's flags, for messages about differing settings.

    Raises:
        KeyboardInterrupt: If the block is interrupted; the message says how to resume.
        InputError: If the folder was begun with other settings.
    """
    folder = _dated(verb, name) if out is None else expanded(out)
    print(f"Run directory: {folder}", flush=True)
    try:
        yield folder
    except KeyboardInterrupt:
        where = "" if out else f" with --out {shlex.quote(str(folder))}"
        message = f"Finished work is kept; the same command{where} resumes it."
        raise KeyboardInterrupt(f"Stopped. {message}") from None
    except OtherRequestError as error:
        raise InputError(error.message(by_flag(flags))) from error
    finally:
        if out is None:
            with suppress(OSError):  # Removes the folder only if it is empty.
                folder.rmdir()


def _dated(verb: str, name: str) -> Path:
    """Creates a dated folder, unique even among processes started in the same second."""
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
