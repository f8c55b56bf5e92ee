"""Files that are made once from others, and made again when those change.

They lie in ``$ROBOMTL_CACHE``, by default ``~/.cache/robomtl``, and may be deleted at any
time when nothing runs.
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
    """The folder of all that is cached."""
    given = os.environ.get("ROBOMTL_CACHE")
    return located(
        given or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "robomtl"
    )


def entry(kind: str, origin: str, state: Any, *, make: Callable[[Path], None]) -> Path:
    """The folder that was made of an origin in this state; made now if it is missing.

    Processes that want the same entry at the same time wait for the one that makes it. What
    was made of earlier states of the origin is removed.

    Args:
        kind: Name of a folder of the cache.
        origin: Name of its source, such as the path of a data set.
        state: All that the content depends on, as plain data.
        make: Fills an empty folder.

    Raises:
        InputError: If the cache cannot be written to.
        DiskFullError: If there is no space for it.
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
            f"{root} cannot be written to ({error.strerror}), where what is made of"
            f" {origin} is kept; set ROBOMTL_CACHE to a folder that can."
        ) from error
    try:
        if not made.exists():
            with writing_into(root):
                _make(made, prefix, make)
    finally:
        lock.release()
    return made


def lock_of(made: Path) -> FileLock:
    """The lock under which the entries of an origin are made, filled and removed.

    Args:
        made: One of them.
    """
    return FileLock(made.with_name(f"{made.name.split('-')[0]}.lock"))


def _make(made: Path, prefix: str, make: Callable[[Path], None]) -> None:
    for earlier in made.parent.glob(f"{prefix}-*"):  # Those of killed processes, too.
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
