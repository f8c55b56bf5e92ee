"""Files that are whole or absent, whatever happens while they are written."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path whose file takes the given name once the block has succeeded.

    The contents are on disk before the name appears, so a reader sees the old file, the
    new file, or none; after an error the temporary file is gone.

    Args:
        path: The name to write; its folder is made if missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON, durably."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_text(path: Path, text: str) -> None:
    """Writes a text, durably."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def append_line(path: Path, line: str) -> None:
    """Appends one line, on disk when this returns.

    A line that was cut short by a kill is removed first, lest the two become one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    created = not path.exists()
    with path.open("a+b") as file:
        _cut_unfinished_line(file)
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if created:
        _sync_folder(path.parent)


def read_lines(path: Path) -> list[str]:
    """The whole lines of a file; a line cut short by a kill is left out."""
    if not path.exists():
        return []
    *lines, _ = path.read_bytes().split(b"\n")
    return [line.decode() for line in lines]


def _cut_unfinished_line(file: BinaryIO) -> None:
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return
    file.seek(end - 1)
    if file.read() != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
