"""Durable writes: a file is complete or absent, even if the process is killed."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from robomtl.errors import DiskFullError, InputError
from robomtl.files.held import check_held
from robomtl.files.untrusted import read_file

LINES_LIMIT = 128 * 2**20
"""Largest file that is read by lines [bytes]; a journal has about 130 per trial."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def writing_into(folder: Path) -> Iterator[None]:
    """Converts disk errors in the block into messages that name the folder.

    Raises:
        DiskFullError: If the disk is full, or a quota or file size limit is reached.
        InputError: If the folder, a file in it, or a parent of it is not writable.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _REFUSED and _concerns(error, folder):
            raise unwritable(folder, error) from error
        if error.errno not in _FULL:
            raise
        raise DiskFullError(
            f"The disk of {folder} is full ({os.strerror(error.errno)}). Finished work is"
            " kept; free some space and run the same command to resume."
        ) from error


def _concerns(error: OSError, folder: Path) -> bool:
    """Whether an error is about the folder, a file in it, or a parent of it."""
    if not isinstance(error.filename, str | os.PathLike):
        return False
    path = Path(error.filename)
    return path == folder or folder in path.parents or path in folder.parents


def unwritable(folder: Path, error: OSError) -> InputError:
    """The error that a folder is not writable, with possible remedies."""
    return InputError(
        f"Nothing can be written into {folder} ({error.strerror}); change its permissions,"
        " or give another folder (--out)."
    )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path; its file replaces ``path`` once the block has succeeded.

    The contents are on disk before the file is renamed, so a reader sees the old file, the
    new file, or none; after an error the temporary file is removed. The permissions follow
    the umask, whichever library writes the file.

    Args:
        path: Path of the final file; its folder is created if missing.

    Raises:
        DiskFullError: If the disk is full.
        InputError: If the folder is not writable, or a held folder around the file was
            removed or replaced, see ``held``.
    """
    check_held(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with writing_into(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.touch()
            mode = temporary.stat().st_mode
            yield temporary
            temporary.chmod(mode)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def discard_partial(folder: Path) -> None:
    """Removes the partial files that killed processes left in a folder.

    The caller must have locked the folder, so that no other process writes into it.
    """
    for path in folder.glob(".*.partial"):
        path.unlink()


@contextmanager
def room(folder: Path, size: int) -> Iterator[Callable[[], None]]:
    """Holds room on a disk for a file that is written into a folder during the block.

    A disk that something else fills meanwhile does not then cost the work of the block.
    Yields the function that releases the room; the end of the block releases it, too.

    Args:
        folder: Folder of the file; created if missing.
        size: Size of the file [bytes].

    Raises:
        DiskFullError: If the disk has less room.
        InputError: If the folder is not writable.
    """
    path = folder / f".room.{os.getpid()}.partial"
    try:
        with writing_into(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.write(bytes(size))
                file.flush()
                os.fsync(file.fileno())
        yield partial(path.unlink, missing_ok=True)
    finally:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON, durably; see ``write_bytes``."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text, durably; see ``write_bytes``."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file, durably, unless it has this content already.

    Finished work that is read again thus writes nothing, as on a read-only disk.

    Raises:
        DiskFullError: If the disk is full.
        InputError: If the folder is not writable, or a held folder around the file was
            removed or replaced, see ``held``.
    """
    check_held(path)
    if path.is_file() and path.stat().st_size == len(content):
        if path.read_bytes() == content:
            return
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def append_line(path: Path, line: str) -> None:
    """Appends one line to a file, durably.

    A partial last line, left by a killed process, is removed first.

    Raises:
        DiskFullError: If the disk is full.
        InputError: If the folder is not writable, or a held folder around the file was
            removed or replaced, see ``held``.
    """
    check_held(path)
    with writing_into(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        created = not path.exists()
        with path.open("a+b") as file:
            _cut_unfinished_line(file)
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if created:
            sync_folder(path.parent)


def read_lines(path: Path) -> list[str]:
    """The complete lines of a file, without a partial last one; none if it is missing.

    Raises:
        InputError: If a line is not UTF-8, or the file is not regular or too large.
    """
    if not path.exists():
        return []
    *lines, _ = read_file(path, limit=LINES_LIMIT).split(b"\n")
    try:
        return [line.decode() for line in lines]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is damaged: {error}.") from error


def _cut_unfinished_line(file: BinaryIO) -> None:
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return
    file.seek(end - 1)
    if file.read() != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def sync_folder(folder: Path) -> None:
    """Flushes a folder, so that files created, renamed or removed in it are durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
