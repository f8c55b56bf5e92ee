"""Paths of the files of a data set, which must be regular files inside its folder."""

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations import layout
from robomtl.errors import InputError
from robomtl.files.parquet import check_rows

_FIELD = re.compile(r"\{(chunk_index|file_index)(?::0?([1-9])d)?\}")


def inside(folder: Path, name: str) -> Path:
    """The path of a file of a data set, after checking the file.

    Args:
        folder: Folder of the data set.
        name: Path of the file relative to the folder.

    Raises:
        InputError: If the file is missing, is not a regular file, such as a pipe, or lies
            outside the folder, as the target of a link may.
    """
    path = folder / name
    if not os.path.lexists(path):
        raise InputError(f"{path} is missing; the data set is incomplete.")
    root = Path(os.path.realpath(folder))
    if (
        root.parent.name == "snapshots"
    ):  # Files in a hub's cache are links to its blobs.
        root = root.parent.parent
    if not Path(os.path.realpath(path)).is_relative_to(root):
        raise InputError(
            f"{path} is a link that leaves the data set; put a copy of the file there."
        )
    if not path.is_file():
        raise InputError(f"{path} is not a regular file.")
    return path


def check_template(template: str, where: Path) -> None:
    """Checks the template of the paths of data files or videos.

    Args:
        template: Such as ``data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet``.
        where: File that contains the template, for the message.

    Raises:
        InputError: If the template has other fields, or may lead out of the data set.
    """
    literal = _FIELD.sub("0", template)
    parts = literal.split("/")
    plain = literal.isprintable() and not set("{}\\") & set(literal)
    if not plain or ".." in parts or "" in parts or len(template) > 255:
        raise InputError(
            f"{where}: the template {template[:100]!r} must be a path in the data set whose"
            " only fields are chunk_index and file_index, such as"
            " 'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'."
        )


def filled(template: str, chunk: int, file: int) -> str:
    """The path of a file of a chunk, by a checked template."""
    numbers = {"chunk_index": chunk, "file_index": file}
    return _FIELD.sub(lambda field: f"{numbers[field[1]]:0{field[2] or 1}d}", template)


def paths_of(
    folder: Path, template: str, chunk: NDArray[np.int64], file: NDArray[np.int64]
) -> tuple[Path, ...]:
    """The path of the file that contains each episode; one object for each file.

    Args:
        folder: Folder of the data set.
        template: Checked template of the paths relative to the folder.
        chunk: Chunk of each episode's file; (episode,).
        file: Number of each episode's file; (episode,).

    Raises:
        InputError: If there are more files than are read.
    """
    numbers, index = np.unique([chunk, file], axis=1, return_inverse=True)
    check_rows(folder / template, numbers.shape[1], layout.MOST_FILES)
    paths = [folder / filled(template, *each) for each in numbers.T.tolist()]
    return tuple(paths[each] for each in index.ravel().tolist())
