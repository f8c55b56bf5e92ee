"""Reads HDF5 files from untrusted sources: numbers and texts that are in the file itself.

HDF5 can refer to other files by external links, external raw data and virtual data sets.
None of these is followed, nor are soft links. Python objects, which some tools store as
pickles in attributes or data sets, are never loaded.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.errors import InputError
from robomtl.extras import library
from robomtl.files.parquet import check_size
from robomtl.files.untrusted import check_file
from robomtl.nearest import unknown

# Levels of groups that are searched for columns; a group may contain itself.
_DEPTH = 8
_ERRORS = (OSError, RuntimeError, ValueError, TypeError, KeyError)
"""Errors that h5py raises on damaged files."""
_PICKLE = b"\x80"  # No text in UTF-8 begins with it.


def load_h5py() -> ModuleType:
    """The module h5py.

    Raises:
        MissingExtraError: If h5py is missing; the message names the extra.
    """
    return library("h5py", extra="import", need="HDF5 files need h5py")


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Opens a file, and yields its root group.

    Raises:
        InputError: If the file is missing, not regular, or not HDF5.
        MissingExtraError: If h5py is missing.
    """
    h5py = load_h5py()
    check_file(path, limit=2**62)
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise InputError(f"{path} is not HDF5, or cut short: {error}") from error
    with file:
        yield file


def member(group: Any, name: str) -> Any:
    """A group or data set inside a group, by its path relative to the group.

    Raises:
        InputError: If it is missing or behind a link; the message has the nearest name.
    """
    h5py = load_h5py()
    for part in name.split("/"):
        if not isinstance(group, h5py.Group):
            raise InputError(f"{at(group)} is not a group; it cannot contain '{part}'.")
        link = _guarded(group, partial(group.get, part, getlink=True))
        if link is None:
            raise InputError(f"{at(group)}: {unknown('entry', part, keys(group))}")
        if not isinstance(link, h5py.HardLink):
            target = getattr(link, "filename", "") or "elsewhere in the file"
            raise InputError(
                f"{at(group)}: '{part}' is a link to {target}, '{link.path}'; robomtl"
                " follows no links. Copy the data into its place (h5repack, h5copy)."
            )
        group = _guarded(group, partial(group.__getitem__, part))
    return group


def keys(group: Any) -> list[str]:
    """Names of the entries of a group, including links.

    Raises:
        InputError: If it is not a group, or a name is not UTF-8, which h5py returns as
            bytes.
    """
    if not isinstance(group, load_h5py().Group):
        raise InputError(f"{at(group)} is not a group; it has no entries.")
    entries: list[str] = _guarded(group, lambda: list(group.keys()))
    if not all(isinstance(name, str) for name in entries):
        raise InputError(f"{at(group)} has an entry whose name is not UTF-8.")
    return entries


def columns_below(group: Any, depth: int = _DEPTH) -> Iterator[tuple[str, Any]]:
    """The data sets below a group, each with its relative path, in the order of the file.

    Raises:
        InputError: If one is behind a link, or groups are nested deeper than 8 levels.
    """
    if not depth:
        raise InputError(f"{at(group)} has groups nested deeper than {_DEPTH} levels.")
    h5py = load_h5py()
    for name in keys(group):
        entry = member(group, name)
        if isinstance(entry, h5py.Group):
            below = columns_below(entry, depth - 1)
            yield from ((f"{name}/{each}", column) for each, column in below)
        else:
            yield name, entry


def unusable(column: Any) -> str:
    """The reason why a data set has no readable numbers; empty if it has."""
    if reason := _not_stored(column):
        return reason
    if column.dtype.kind == "O":
        return "contains Python objects or texts, which robomtl does not load"
    if column.dtype.kind not in "fiub":
        return f"contains {column.dtype}, not numbers"
    return "" if column.shape else "contains a single value"


def numbers(column: Any) -> NDArray[Any]:
    """The content of a data set of numbers.

    Raises:
        InputError: If it contains anything else, is stored in another file, is damaged, or
            would inflate far beyond its size on disk.
    """
    if reason := unusable(column):
        raise InputError(f"{at(column)} {reason}.")
    stored = column.id.get_storage_size()
    check_size(Path(at(column)), int(column.size) * column.dtype.itemsize, stored)
    values: NDArray[Any] = _guarded(column, lambda: column[()])
    return values


def encoded_pictures(column: Any) -> Sequence[bytes]:
    """The encoded images in a data set of bytes, one per row.

    Raises:
        InputError: If it contains anything else.
    """
    h5py = load_h5py()
    if reason := _not_stored(column):
        raise InputError(f"{at(column)} {reason}.")
    if h5py.check_vlen_dtype(column.dtype) == np.uint8 and column.ndim == 1:
        check_size(
            Path(at(column)), 16 * int(column.size), column.id.get_storage_size()
        )
        return [each.tobytes() for each in _guarded(column, lambda: column[()])]
    if column.dtype == np.uint8 and column.ndim == 2:
        return [each.tobytes() for each in numbers(column)]
    raise InputError(f"{at(column)} contains {column.dtype}, not encoded images.")


def names(column: Any) -> list[str]:
    """The strings in a data set of fixed-length or variable-length strings.

    Raises:
        InputError: If it contains anything else.
    """
    h5py = load_h5py()
    if reason := _not_stored(column):
        raise InputError(f"{at(column)} {reason}.")
    kind = h5py.check_string_dtype(column.dtype)
    if kind is None or column.ndim != 1:
        raise InputError(f"{at(column)} contains {column.dtype}, not a list of names.")
    stored = column.id.get_storage_size()
    check_size(Path(at(column)), int(column.size) * (kind.length or 16), stored)
    values: list[str] = _guarded(
        column, lambda: column.asstr(errors="replace")[()].tolist()
    )
    return values


def _not_stored(column: Any) -> str:
    """The reason why an entry is not a data set of the file itself; empty if it is."""
    if not isinstance(column, load_h5py().Dataset):
        return "is not a data set"
    external = column.external or column.is_virtual
    return "stores its data in other files" if external else ""


def rows(column: Any) -> int:
    """Number of rows of a data set; 0 for anything else."""
    return int((getattr(column, "shape", ()) or (0,))[0])


def text(group: Any, name: str) -> str | None:
    """An attribute that is a string; None if it is missing.

    Raises:
        InputError: If the attribute is anything else, such as a pickle.
    """
    if name not in _guarded(group, lambda: list(group.attrs.keys())):
        return None
    value = _guarded(group, lambda: group.attrs[name])
    raw = value.encode(errors="surrogateescape") if isinstance(value, str) else value
    if not isinstance(raw, bytes) or raw.startswith(_PICKLE):
        raise InputError(
            f"{at(group)}: the attribute '{name}' is not a string; robomtl loads no pickles"
            " or other Python objects."
        )
    return raw.decode(errors="replace")


def count(group: Any, name: str) -> int | None:
    """An attribute that is an integer; None if it is missing.

    Raises:
        InputError: If the attribute is anything else.
    """
    if name not in _guarded(group, lambda: list(group.attrs.keys())):
        return None
    value = _guarded(group, lambda: group.attrs[name])
    if not isinstance(value, int | np.integer):
        raise InputError(f"{at(group)}: the attribute '{name}' is not an integer.")
    return int(value)


def at(entry: Any) -> str:
    """File and path of an entry, for messages."""
    return f"{entry.file.filename}: {entry.name}"


def _guarded(entry: Any, read: Callable[[], Any]) -> Any:
    """The result of a call into h5py, whose errors are converted to a message.

    Raises:
        InputError: If h5py raises an error.
    """
    try:
        return read()
    except _ERRORS as error:
        raise InputError(f"{at(entry)} is damaged: {error}") from error
