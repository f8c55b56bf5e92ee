"""Folders that this process writes into, and that must stay the ones they were.

Files are written into folders that are made where missing. Without this check, a folder that
someone removes or replaces meanwhile would be made again without its plan, or would mix the
work of two.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robomtl.errors import InputError

_HELD: dict[Path, tuple[int, int]] = {}
"""Device and inode of each held folder, by its absolute path."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a folder for the block: ``check_held`` refuses to write if it is another.

    Args:
        folder: It exists.
    """
    path = folder.absolute()
    _HELD[path] = _identity(path) or (0, 0)
    try:
        yield
    finally:
        _HELD.pop(path, None)


def check_held(path: Path) -> None:
    """Refuses a path inside a held folder that is not the same folder any more.

    Args:
        path: Of a file or a folder that is about to be written.

    Raises:
        InputError: If the folder was removed or replaced.
    """
    for folder in (path.absolute(), *path.absolute().parents):
        if folder in _HELD and not is_held(folder):
            raise InputError(
                f"{folder} was removed or replaced while robomtl worked in it, so nothing"
                " more is written there; put it back, and the same command resumes, or"
                " give another folder (--out)."
            )


def is_held(folder: Path) -> bool:
    """Whether a held folder is still the one that it was."""
    path = folder.absolute()
    return _HELD.get(path) == _identity(path)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
