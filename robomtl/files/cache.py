"""Cache of files that are derived from other files, and rebuilt when those change.

The cache is the folder ``$ROBOMTL_CACHE``, by default ``~/.cache/robomtl``. It may be
deleted whenever no robomtl process runs.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from robomtl.errors import InputError
from robomtl.files.durable import sync_folder, writing_into
from robomtl.files.paths import located
from robomtl.files.request import digest_of_value


def cache_folder() -> Path:
    """The root folder of the cache."""
    configured = os.environ.get("ROBOMTL_CACHE")
    return located(
        configured or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "robomtl"
    )


def entry(kind: str, origin: str, state: Any, *, make: Callable[[Path], None]) -> Path:
    """The cached folder for an origin in its current state; created if missing.

    Processes that request the same entry at the same time wait for the one that creates
    it. Entries of earlier states of the origin are removed.

    Args:
        kind: Name of a subfolder of the cache.
        origin: Name of the source, such as the path of a data set.
        state: All values that the content depends on, as plain data.
        make: Fills an empty folder.

    Raises:
        InputError: If the cache is not writable.
        DiskFullError: If the disk is full.
    """
    root, prefix = cache_folder() / kind, digest_of_value(origin)
    made = root / f"{prefix}-{digest_of_value([origin, state])}"
    if made.exists():
        return made
    lock = lock_of(made)
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise InputError(
            f"The cache {root}, which stores files derived from {origin}, is not writable"
            f" ({error.strerror}); set ROBOMTL_CACHE to a writable folder."
        ) from error
    try:
        if not made.exists():
            with writing_into(root):
                _make(made, prefix, make)
    finally:
        lock.release()
    return made


def lock_of(made: Path) -> FileLock:
    """The lock under which the entries of one origin are created, filled and removed.

    Args:
        made: Folder of one of these entries.
    """
    return FileLock(made.with_name(f"{made.name.split('-')[0]}.lock"))


def _make(made: Path, prefix: str, make: Callable[[Path], None]) -> None:
    for earlier in made.parent.glob(f"{prefix}-*"):  # Partial ones, too.
        shutil.rmtree(earlier)
    new = made.with_name(f"{made.name}.partial")
    try:
        new.mkdir()
        make(new)
        for path in new.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(new)
        new.rename(made)
        sync_folder(made.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)
