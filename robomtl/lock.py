"""One process at a time writes into a folder."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robomtl.durable import discard_partial
from robomtl.errors import InputError

LOCK = ".lock"
"""File inside a folder as long as a process writes there; one left by a kill is void."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder until the block ends; the folder is made if missing.

    Files that killed processes left unfinished in it are removed first.

    Raises:
        InputError: If another process holds it, or its lock is not a regular file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    descriptor = _opened(path)
    try:
        if not _held(descriptor):
            raise InputError(
                f"Another process is writing into {folder}; wait for it, or give another"
                " folder."
            )
        try:
            discard_partial(folder)
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    """The open lock file, created if missing; links are not followed, nothing is cut."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise _strange(path) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _strange(path)
    return descriptor


def _strange(path: Path) -> InputError:
    return InputError(
        f"{path} is not a regular file, and so not robomtl's lock; remove it, and give the"
        " same command again."
    )


def _held(descriptor: int) -> bool:
    try:
        # Released by the system when the process ends, however it ends.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    # Its last holder may have removed the file since it was opened: a third process
    # would lock a new one.
    return os.fstat(descriptor).st_nlink > 0
