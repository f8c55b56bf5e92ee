"""Detects that a folder was removed or replaced while this process writes into it.

Writing a file creates its folder if missing. Without this check, a folder that someone
removes during the work would be created again without its plan, and a folder that someone
replaces would mix the files of two runs.
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
    """Registers a folder for the block, so that ``check_held`` notices its replacement.

    Args:
        folder: An existing folder.
    """
    path = folder.absolute()
    _HELD[path] = _identity(path) or (0, 0)
    try:
        yield
    finally:
        _HELD.pop(path, None)


def check_held(path: Path) -> None:
    """Refuses a path inside a held folder that was removed or replaced.

    Args:
        path: File or folder that is about to be written.

    Raises:
        InputError: If a held folder that contains the path was removed or replaced.
    """
    for folder in (path.absolute(), *path.absolute().parents):
        if folder in _HELD and not is_held(folder):
            raise InputError(
                f"{folder} was removed or replaced while robomtl worked in it, so nothing"
                " more is written there; restore it and run the same command to resume, or"
                " give another folder (--out)."
            )


def is_held(folder: Path) -> bool:
    """Whether a held folder has been neither removed nor replaced."""
    path = folder.absolute()
    return _HELD.get(path) == _identity(path)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino
