"""One process at a time writes into a folder."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from robomtl.errors import InputError
from robomtl.files.durable import discard_partial, unwritable, writing_into
from robomtl.files.folder_kinds import check_may_be_folder
from robomtl.files.held import check_held, held, is_held

LOCK = ".lock"
"""File inside a folder as long as a process writes there; one left by a kill is void."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder until the block ends; the folder is made if missing.

    It is removed again if the block leaves nothing in it, as one that refuses does. Where
    somebody removes or replaces it meanwhile, nothing more is written into it. Files that
    killed processes left unfinished in it are removed first.

    Raises:
        InputError: If another process holds it, it cannot be made or written to, or its
            lock is not a regular file.
    """
    with left_as_found(folder):
        make_folder(folder)
        lock = _acquired(folder)
        with held(folder):
            try:
                discard_partial(folder)
                yield
            finally:
                # Else it is another folder, and maybe another's lock.
                if is_held(folder):
                    (folder / LOCK).unlink(missing_ok=True)
                lock.release()


@contextmanager
def left_as_found(folder: Path) -> Iterator[None]:
    """Removes a folder that was missing if the block leaves nothing in it.

    Folders around it that were missing are removed, too.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        yield
    finally:
        with suppress(OSError):  # Something is in it.
            for each in missing:
                each.rmdir()


def make_folder(folder: Path) -> None:
    """Makes a folder for what is written, unless it is there.

    Raises:
        InputError: If a file is in its way, it cannot be made, or a folder around it was
            removed or replaced while this process held it.
        DiskFullError: If there is no space for it.
    """
    check_may_be_folder(folder)
    check_held(folder)
    with writing_into(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _acquired(folder: Path) -> BaseFileLock:
    path = folder / LOCK
    _check_regular(path)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"Another process is writing into {folder}; wait for it, or give another"
            " folder."
        ) from error
    except OSError as error:
        raise unwritable(folder, error) from error
    return lock


def _check_regular(path: Path) -> None:
    """Refuses links, pipes and folders, which filelock would follow, use or wait for."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{path} is not a regular file, and so not robomtl's lock; remove it, and give"
            " the same command again."
        )
