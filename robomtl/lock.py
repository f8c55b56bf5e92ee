"""One process at a time writes into a folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robomtl.errors import InputError

LOCK = ".lock"
"""File inside a folder as long as a process writes there; one left by a kill is void."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder until the block ends; the folder is made if missing.

    Raises:
        ValueError: If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    with path.open("w") as file:
        if not _held(file.fileno()):
            raise InputError(
                f"Another process is writing into {folder}; wait for it, or give another"
                " folder."
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _held(descriptor: int) -> bool:
    try:
        # Released by the system when the process ends, however it ends.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    # Its last holder may have removed the file since it was opened: a third process
    # would lock a new one.
    return os.fstat(descriptor).st_nlink > 0
