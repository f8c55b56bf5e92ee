"""Locks that let one process at a time write into a folder."""

import os
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
"""Lock file of a folder; one that a killed process left does not lock the folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a folder until the block ends; the folder is created if missing.

    A folder that was created is removed again if the block leaves it empty. Once the
    folder is removed or replaced during the block, nothing more is written into it.
    Partial files that killed processes left in it are removed first.

    A folder in which nothing can be written is not locked: reading it needs no lock, and
    the first write is refused.

    Raises:
        InputError: If another process has locked the folder, it cannot be created, its
            lock is not writable, or its lock is not a regular file.
    """
    with left_as_found(folder):
        make_folder(folder)
        if not os.access(folder, os.W_OK):
            yield
            return
        lock = _acquired(folder)
        with held(folder):
            try:
                discard_partial(folder)
                yield
            finally:
                # A folder that replaced it may have the lock of another process.
                if is_held(folder):
                    (folder / LOCK).unlink(missing_ok=True)
                lock.release()


@contextmanager
def left_as_found(folder: Path) -> Iterator[None]:
    """Removes a folder that did not exist before the block if it is empty after it.

    Parents that did not exist before the block are removed, too.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        yield
    finally:
        with suppress(OSError):  # Something is in it.
            for each in missing:
                each.rmdir()


def make_folder(folder: Path) -> None:
    """Creates a folder and its parents, if missing.

    Raises:
        InputError: If the path or a parent of it is a file, the folder cannot be created,
            or a held folder around it was removed or replaced.
        DiskFullError: If the disk is full.
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
            f"{path} is not a regular file, and so not robomtl's lock; remove it, and run"
            " the same command again."
        )
