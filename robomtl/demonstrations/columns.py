"""Checks columns of parquet files, and converts them to arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from robomtl.errors import InputError

_WHOLE = 2**53  # Integers below this are exact in float64.


def _is_list(kind: Any) -> bool:
    types = pa.types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
    )


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _refuse(path: Path, name: str, wrong: NDArray[np.bool_], needed: str) -> None:
    """Refuses a column, naming its first wrong row, if there is one."""
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise InputError(f"{path}: row {rows[0]} of column '{name}' {needed}.")


def _empty(column: Any) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return missing


def _flat(column: Any, name: str, size: int, path: Path) -> Any:
    """The elements of a column of lists of length ``size``, one after the other."""
    _refuse(path, name, _empty(column), f"is empty; it must be a vector of size {size}")
    if pa.types.is_fixed_size_list(column.type):
        sizes = np.full(len(column), column.type.list_size)
    else:
        sizes = column.value_lengths().to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(sizes != size)
    if len(wrong):
        raise InputError(
            f"{path}: column '{name}' has vectors not of size {size}, the first of size"
            f" {sizes[wrong[0]]} in row {wrong[0]}."
        )
    return column.flatten()


def scalars(table: Any, name: str, path: Path) -> NDArray[Any]:
    """A column of one number or boolean per row, or of lists of length 1; (row,).

    Args:
        table: Table with the column.
        name: Name of the column.
        path: File that was read, for messages.

    Raises:
        InputError: If the column has other values, or missing ones.
    """
    column = table[name].combine_chunks()
    if _is_list(column.type):
        column = _flat(column, name, 1, path)
    kind = column.type
    if not (_is_number(kind) or pa.types.is_boolean(kind)):
        raise InputError(
            f"{path}: column '{name}' is not one number per row, but {kind}."
        )
    _refuse(path, name, _empty(column), "is empty; it must be a number")
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def integers(table: Any, name: str, path: Path) -> NDArray[np.int64]:
    """A column of one integer per row, such as an index; (row,).

    Args:
        table: Table with the column.
        name: Name of the column.
        path: File that was read, for messages.

    Raises:
        InputError: If the column has other values, or missing ones.
    """
    values = scalars(table, name, path)
    if values.dtype == np.bool_:
        raise InputError(
            f"{path}: column '{name}' contains booleans; it must contain integers."
        )
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(values.astype(np.float64)) < _WHOLE) | (values % 1 != 0)
    if wrong.any():
        first = values[np.flatnonzero(wrong)[0]]
        _refuse(path, name, wrong, f"is {first}; it must be an integer")
    return values.astype(np.int64)


def truths(table: Any, name: str, path: Path) -> NDArray[np.bool_]:
    """A column of one boolean, or 0 or 1, per row; (row,).

    Args:
        table: Table with the column.
        name: Name of the column.
        path: File that was read, for messages.

    Raises:
        InputError: If the column has other values, or missing ones.
    """
    values = scalars(table, name, path)
    wrong = (values != 0) & (values != 1)
    _refuse(path, name, wrong, "is neither true nor false, 1 nor 0")
    return values.astype(np.bool_)


def texts(table: Any, name: str, path: Path) -> list[str]:
    """A column of distinct strings that are not blank, one per row.

    Args:
        table: Table with the column, which is encoded as a dictionary.
        name: Name of the column.
        path: File that was read, for messages.

    Raises:
        InputError: If a row is missing, blank or not a string, or two rows are equal.
    """
    column = table[name].combine_chunks()
    kind = (
        column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    )
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InputError(f"{path}: column '{name}' contains {kind}, not strings.")
    _refuse(path, name, _empty(column), "is empty; it must be a string")
    # Repeated entries are refused before decoding, which could exhaust the memory.
    check_distinct(column.indices.to_pylist(), name, path)
    values: list[str] = column.to_pylist()
    blank = np.array([not value.strip() for value in values], np.bool_)
    _refuse(path, name, blank, "is blank; it must be a non-blank string")
    check_distinct(values, name, path)
    return values


def check_distinct(values: Sequence[object], name: str, path: Path) -> None:
    """Refuses a column with two equal rows.

    Args:
        values: The column.
        name: Name of the column.
        path: File that was read, for messages.

    Raises:
        InputError: If two rows are equal; the message names both.
    """
    first: dict[object, int] = {}
    for row, value in enumerate(values):
        if first.setdefault(value, row) != row:
            raise InputError(
                f"{path}: rows {first[value]} and {row} of column '{name}' are equal; each"
                " task must have its own."
            )


def vectors(table: Any, name: str, size: int, path: Path) -> NDArray[np.float32]:
    """A column of vectors, or of numbers if ``size`` is 1; (row, size).

    Args:
        table: Table with the column.
        name: Name of the column.
        size: Length of the vectors.
        path: File that was read, for messages.

    Raises:
        InputError: If a row has another length, is missing, or does not contain numbers.
    """
    column = table[name].combine_chunks()
    kind = column.type
    if size == 1 and not pa.types.is_nested(kind):
        return scalars(table, name, path).astype(np.float32)[:, None]
    if not _is_list(kind) or not _is_number(kind.value_type):
        raise InputError(f"{path}: column '{name}' contains {kind}, not vectors.")
    flat = _flat(column, name, size, path).to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):  # Infinities are refused with their step.
        values: NDArray[np.float32] = flat.astype(np.float32).reshape(-1, size)
    return values
