"""Columns of parquet files as checked arrays."""

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
    """The elements of a column of lists of one size, one after the other."""
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
    """A column of one number or truth value a row, or of lists of one; (row,).

    Args:
        table: Holds the column.
        name: Of the column.
        path: File that was read, for messages.

    Raises:
        InputError: If it holds anything else.
    """
    column = table[name].combine_chunks()
    if _is_list(column.type):
        column = _flat(column, name, 1, path)
    kind = column.type
    if not (_is_number(kind) or pa.types.is_boolean(kind)):
        raise InputError(
            f"{path}: column '{name}' is not one number a row, it holds {kind}."
        )
    _refuse(path, name, _empty(column), "is empty; it must be a number")
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def whole(table: Any, name: str, path: Path) -> NDArray[np.int64]:
    """A column of one whole number a row, such as an index; (row,).

    Args:
        table: Holds the column.
        name: Of the column.
        path: File that was read, for messages.

    Raises:
        InputError: If it holds anything else.
    """
    values = scalars(table, name, path)
    if values.dtype == np.bool_:
        raise InputError(
            f"{path}: column '{name}' holds truth values; it must hold whole numbers."
        )
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(values.astype(np.float64)) < _WHOLE) | (values % 1 != 0)
    if wrong.any():
        given = values[np.flatnonzero(wrong)[0]]
        _refuse(path, name, wrong, f"is {given}; it must be a whole number")
    return values.astype(np.int64)


def truths(table: Any, name: str, path: Path) -> NDArray[np.bool_]:
    """A column of one truth value a row, or 0 and 1 for it; (row,).

    Args:
        table: Holds the column.
        name: Of the column.
        path: File that was read, for messages.

    Raises:
        InputError: If it holds anything else.
    """
    values = scalars(table, name, path)
    wrong = (values != 0) & (values != 1)
    _refuse(path, name, wrong, "is neither true nor false, 1 nor 0")
    return values.astype(np.bool_)


def texts(table: Any, name: str, path: Path) -> list[str]:
    """A column of texts, no two of which are equal.

    Args:
        table: Holds the column, as a dictionary.
        name: Of the column.
        path: File that was read, for messages.

    Raises:
        InputError: If a row is empty or no text, or two are equal.
    """
    column = table[name].combine_chunks()
    kind = (
        column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    )
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InputError(f"{path}: column '{name}' holds {kind}, not texts.")
    _refuse(path, name, _empty(column), "is empty; it must be a text")
    # Repeated entries are refused before decoding, which could exhaust the memory.
    check_distinct(column.indices.to_pylist(), name, path)
    values: list[str] = column.to_pylist()
    blank = np.array([not value.strip() for value in values], np.bool_)
    _refuse(path, name, blank, "is blank; it must be a text")
    check_distinct(values, name, path)
    return values


def check_distinct(values: Sequence[object], name: str, path: Path) -> None:
    """Refuses a column with two equal rows.

    Args:
        values: The column.
        name: Its name.
        path: File that was read, for messages.

    Raises:
        InputError: If two are; names both rows.
    """
    first: dict[object, int] = {}
    for row, value in enumerate(values):
        if first.setdefault(value, row) != row:
            raise InputError(
                f"{path}: rows {first[value]} and {row} of column '{name}' are equal; each"
                " task must have its own."
            )


def vectors(table: Any, name: str, size: int, path: Path) -> NDArray[np.float32]:
    """A column of vectors, or of numbers where their size is 1; (row, size).

    Args:
        table: Holds the column.
        name: Of the column.
        size: Of the vectors.
        path: File that was read, for messages.

    Raises:
        InputError: If a row has another size, or holds no numbers.
    """
    column = table[name].combine_chunks()
    kind = column.type
    if size == 1 and not pa.types.is_nested(kind):
        return scalars(table, name, path).astype(np.float32)[:, None]
    if not _is_list(kind) or not _is_number(kind.value_type):
        raise InputError(f"{path}: column '{name}' holds {kind}, not vectors.")
    flat = _flat(column, name, size, path).to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):  # Infinities are refused with their step.
        values: NDArray[np.float32] = flat.astype(np.float32).reshape(-1, size)
    return values
