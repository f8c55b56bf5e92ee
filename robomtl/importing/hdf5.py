"""HDF5 files that anyone may have written: numbers and texts that lie in the file itself.

HDF5 can point into other files: by external links, by raw data in files beside it, and by
virtual data sets. Nothing of that is followed, soft links neither. Python objects, which
some tools keep as pickles in attributes or data sets, are never loaded.
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

_DEPTH = (
    8  # Levels of groups that are searched for columns; groups may contain themselves.
)
_ERRORS = (OSError, RuntimeError, ValueError, TypeError, KeyError)
"""What h5py raises on damaged files."""
_PICKLE = b"\x80"  # No text in UTF-8 begins with it.


def load_h5py() -> ModuleType:
    """h5py.

    Raises:
        MissingExtraError: If it is missing; names the extra.
    """
    return library("h5py", extra="import", need="HDF5 files need h5py")


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The root group of a file.

    Raises:
        InputError: If the file is missing, not regular, or no HDF5.
        MissingExtraError: If h5py is missing.
    """
    h5py = load_h5py()
    check_file(path, limit=2**62)
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise InputError(f"{path} is no HDF5 file, or cut short: {error}") from error
    with file:
        yield file


def member(group: Any, name: str) -> Any:
    """A group or data set inside a group, by its path from there.

    Raises:
        InputError: If it is missing, with the nearest name, or lies behind a link.
    """
    h5py = load_h5py()
    for part in name.split("/"):
        if not isinstance(group, h5py.Group):
            raise InputError(f"{at(group)} is not a group; it cannot hold '{part}'.")
        link = _guarded(group, partial(group.get, part, getlink=True))
        if link is None:
            raise InputError(f"{at(group)}: {unknown('entry', part, keys(group))}")
        if not isinstance(link, h5py.HardLink):
            target = getattr(link, "filename", "") or "elsewhere in the file"
            raise InputError(
                f"{at(group)}: '{part}' is a link to {target}, '{link.path}'; robomtl"
                " follows no links. Put the data itself there (h5repack, h5copy)."
            )
        group = _guarded(group, partial(group.__getitem__, part))
    return group


def keys(group: Any) -> list[str]:
    """Names of the entries of a group, links among them.

    Raises:
        InputError: If it is no group, or a name is no text, which h5py gives as bytes.
    """
    if not isinstance(group, load_h5py().Group):
        raise InputError(f"{at(group)} is not a group; it holds no entries.")
    found: list[str] = _guarded(group, lambda: list(group.keys()))
    if not all(isinstance(name, str) for name in found):
        raise InputError(f"{at(group)} has an entry whose name is no text.")
    return found


def columns_below(group: Any, depth: int = _DEPTH) -> Iterator[tuple[str, Any]]:
    """Every data set inside a group, with its path from there, in the order of the file.

    Raises:
        InputError: If one lies behind a link, or groups are nested deeper than 8 levels.
    """
    if not depth:
        raise InputError(f"{at(group)} has groups nested deeper than {_DEPTH} levels.")
    h5py = load_h5py()
    for name in keys(group):
        found = member(group, name)
        if isinstance(found, h5py.Group):
            below = columns_below(found, depth - 1)
            yield from ((f"{name}/{each}", column) for each, column in below)
        else:
            yield name, found


def unusable(column: Any) -> str:
    """The reason why a data set holds no numbers that can be read; empty if it does."""
    h5py = load_h5py()
    if not isinstance(column, h5py.Dataset):
        return "is no data set"
    if column.external or column.is_virtual:
        return "keeps its data in other files"
    if column.dtype.kind == "O":
        return "holds Python objects or texts, which robomtl does not load"
    if column.dtype.kind not in "fiub":
        return f"holds {column.dtype}, not numbers"
    return "" if column.shape else "holds a single value"


def numbers(column: Any) -> NDArray[Any]:
    """The content of a data set of numbers.

    Raises:
        InputError: If it holds anything else, lies in another file, is damaged, or would
            inflate far beyond its size on disk.
    """
    if reason := unusable(column):
        raise InputError(f"{at(column)} {reason}.")
    stored = column.id.get_storage_size()
    check_size(Path(at(column)), int(column.size) * column.dtype.itemsize, stored)
    found: NDArray[Any] = _guarded(column, lambda: column[()])
    return found


def encoded_pictures(column: Any) -> Sequence[bytes]:
    """The pictures in a data set of encoded bytes, one a row.

    Raises:
        InputError: If it holds anything else.
    """
    h5py = load_h5py()
    if column.external or column.is_virtual:
        raise InputError(f"{at(column)} keeps its data in other files.")
    if h5py.check_vlen_dtype(column.dtype) == np.uint8 and column.ndim == 1:
        check_size(
            Path(at(column)), 16 * int(column.size), column.id.get_storage_size()
        )
        return [each.tobytes() for each in _guarded(column, lambda: column[()])]
    if column.dtype == np.uint8 and column.ndim == 2:
        return [each.tobytes() for each in numbers(column)]
    raise InputError(f"{at(column)} holds {column.dtype}, not encoded pictures.")


def names(column: Any) -> list[str]:
    """The texts in a data set of fixed-length or variable-length texts.

    Raises:
        InputError: If it holds anything else.
    """
    h5py = load_h5py()
    kind = h5py.check_string_dtype(column.dtype)
    if kind is None or column.ndim != 1 or column.external or column.is_virtual:
        raise InputError(f"{at(column)} holds {column.dtype}, not a list of names.")
    stored = column.id.get_storage_size()
    check_size(Path(at(column)), int(column.size) * (kind.length or 16), stored)
    found: list[str] = _guarded(
        column, lambda: column.asstr(errors="replace")[()].tolist()
    )
    return found


def rows(column: Any) -> int:
    """The number of rows of a data set; 0 of anything else."""
    return int((getattr(column, "shape", ()) or (0,))[0])


def text(group: Any, name: str) -> str | None:
    """An attribute that is a text; None if it is missing.

    Raises:
        InputError: If it is anything else, such as a pickle.
    """
    if name not in _guarded(group, lambda: list(group.attrs.keys())):
        return None
    value = _guarded(group, lambda: group.attrs[name])
    raw = value.encode(errors="surrogateescape") if isinstance(value, str) else value
    if not isinstance(raw, bytes) or raw.startswith(_PICKLE):
        raise InputError(
            f"{at(group)}: the attribute '{name}' is no text; robomtl loads no pickles and"
            " other Python objects."
        )
    return raw.decode(errors="replace")


def count(group: Any, name: str) -> int | None:
    """An attribute that is a whole number; None if it is missing.

    Raises:
        InputError: If it is anything else.
    """
    if name not in _guarded(group, lambda: list(group.attrs.keys())):
        return None
    value = _guarded(group, lambda: group.attrs[name])
    if not isinstance(value, int | np.integer):
        raise InputError(f"{at(group)}: the attribute '{name}' is no whole number.")
    return int(value)


def at(entry: Any) -> str:
    """File and path of an entry, for messages."""
    return f"{entry.file.filename}: {entry.name}"


def _guarded(entry: Any, read: Callable[[], Any]) -> Any:
    """The result of a call into h5py, whose errors become a sentence."""
    try:
        return read()
    except _ERRORS as error:
        raise InputError(f"{at(entry)} is damaged: {error}") from error
