"""Columns of parquet files as arrays, refused where a file is not whole."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from robomtl.errors import InputError


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} is missing; the data set is incomplete.") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is damaged or cut short: {reason}") from error


def num_rows(path: Path) -> int:
    """Number of rows of a parquet file.

    Raises:
        ValueError: If the file is missing, damaged or cut short.
    """
    with _whole(path):
        return int(pq.read_metadata(path).num_rows)


def read_table(path: Path, names: Sequence[str] | None = None) -> Any:
    """Some columns of a parquet file, or all, as an arrow table.

    Raises:
        ValueError: If the file is missing, damaged or cut short, or lacks a column.
    """
    with _whole(path):
        present = pq.read_schema(path).names
    for name in names or ():
        if name not in present:
            raise InputError(f"{path} has no column '{name}'.")
    with _whole(path):
        return pq.ParquetFile(path, page_checksum_verification=True).read(names)


def scalars(table: Any, name: str, path: Path) -> NDArray[Any]:
    """A column of one number or truth value a row; (row,).

    Raises:
        ValueError: If it holds anything else.
    """
    column = table[name].combine_chunks()
    kind = column.type
    plain = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    if column.null_count or not (plain or pa.types.is_floating(kind)):
        raise InputError(f"{path}: column '{name}' is not one number a row.")
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def vectors(table: Any, name: str, size: int, path: Path) -> NDArray[np.float32]:
    """A column of vectors, or of numbers where their size is 1; (row, size).

    Raises:
        ValueError: If a row has another size, or holds no numbers.
    """
    column = table[name].combine_chunks()
    if size == 1 and not pa.types.is_nested(column.type):
        return scalars(table, name, path).astype(np.float32)[:, None]
    kind = column.type
    fixed, listed = pa.types.is_fixed_size_list(kind), pa.types.is_list(kind)
    if not (fixed or listed) or not _is_number(kind.value_type):
        raise InputError(f"{path}: column '{name}' holds {kind}, not vectors.")
    sizes = {kind.list_size} if fixed else set(column.value_lengths().to_pylist())
    if column.null_count or sizes != {size}:
        raise InputError(f"{path}: column '{name}' has vectors not of size {size}.")
    flat = column.flatten().to_numpy(zero_copy_only=False)
    values: NDArray[np.float32] = flat.astype(np.float32).reshape(-1, size)
    return values


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
