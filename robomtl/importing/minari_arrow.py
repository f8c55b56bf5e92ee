"""Reads the episodes of Minari data sets that are stored in Arrow or Parquet files.

Verified against Minari's ``_storages/arrow_storage.py`` at commit 1880118a. Each episode has
a folder ``N`` with ``metadata.json`` and ``part-0.arrow`` or ``part-0.parquet``, whose columns
all have one more row than the episode has steps. Parts of a space are fields of a struct.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from msgspec import Meta
from numpy.typing import NDArray

from robomtl.demonstrations.files import inside
from robomtl.errors import InputError
from robomtl.files.parquet import Parquet, columns_of, undamaged
from robomtl.files.untrusted import read_json
from robomtl.importing.minari_storage import INFOS, SCALARS
from robomtl.importing.source import Column
from robomtl.nearest import unknown

_TUPLE = "_index_"  # Prefix of the parts of a Tuple in HDF5.


@dataclass(frozen=True, kw_only=True)
class _Episode:
    """The fields of the metadata of an episode that are read."""

    total_steps: Annotated[int, Meta(ge=0, lt=2**53)]


class ArrowStorage:
    """Episodes that are stored in one Arrow or Parquet file each.

    Args:
        folder: Folder with a subfolder for each episode.
        kind: ``arrow`` or ``parquet``.
    """

    padded = True

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._kind = folder, kind
        self._kept: tuple[int, Any] | None = None

    def lengths(self) -> list[int]:
        """Number of steps of each episode; see ``Storage``."""
        count = sum(each.name.isdigit() for each in self._folder.iterdir())
        paths = (inside(self._folder, f"{n}/metadata.json") for n in range(count))
        return [read_json(path, _Episode).total_steps for path in paths]

    def further(self) -> Mapping[str, Column | str]:
        """Columns of the first episode besides its spaces; see ``Storage``."""
        found = dict[str, Column | str]()
        for field in self._table(0).schema:
            inner = [*field.type] if pa.types.is_struct(field.type) else []
            if field.name in SCALARS:
                found[field.name] = Column("vector", (1,))
            for each in inner if field.name == INFOS else ():
                sized = pa.types.is_fixed_size_list(each.type)
                size = each.type.list_size if sized else 1
                found[f"{INFOS}/{each.name}"] = Column("vector", (size,))
        return found

    def numbers(self, number: int, name: str) -> NDArray[Any]:
        """A column of numbers of an episode; see ``Storage``."""
        column, where = self._column(number, name), self._path(number)
        if pa.types.is_fixed_size_list(column.type):
            size, column = column.type.list_size, column.flatten()
        else:
            size = 1
        kind = column.type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            if not pa.types.is_boolean(kind):
                raise InputError(f"{where}: '{name}' contains {kind}, not numbers.")
        if column.null_count:
            raise InputError(f"{where}: '{name}' has rows without a number.")
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values.reshape(-1, size)

    def pictures(self, number: int, name: str) -> Sequence[bytes]:
        """A column of encoded images of an episode; see ``Storage``."""
        column = self._column(number, name)
        if not pa.types.is_binary(column.type):
            raise InputError(
                f"{self._path(number)}: '{name}' contains {column.type}, not images."
            )
        found: list[bytes] = column.to_pylist()
        return found

    def rows(self, number: int, name: str) -> int:
        """Number of rows of a column of an episode; see ``Storage``."""
        return len(self._column(number, name))

    def _path(self, number: int) -> Path:
        return inside(self._folder, f"{number}/part-0.{self._kind}")

    def _table(self, number: int) -> Any:
        """The rows of an episode; those of the latest episode stay in memory."""
        if self._kept is None or self._kept[0] != number:
            self._kept, path = None, self._path(number)
            read = _whole_parquet if self._kind == "parquet" else _whole_arrow
            self._kept = number, read(path)
        return self._kept[1]

    def _column(self, number: int, name: str) -> Any:
        found: Any = self._table(number)
        for part in name.split("/"):
            names = _names(found)
            key = part if part in names else part.removeprefix(_TUPLE)
            if key not in names:
                known = unknown("entry", part, names)
                raise InputError(f"{self._path(number)}: {known}")
            if names.count(key) > 1:
                raise InputError(
                    f"{self._path(number)}: {names.count(key)} entries are named '{key}';"
                    " each must have a different name."
                )
            if isinstance(found, pa.Table):
                found = found[key].combine_chunks()
            else:
                found = found.field(key)
        return found


def _names(found: Any) -> list[str]:
    if isinstance(found, pa.Table):
        return [*found.column_names]
    return [each.name for each in found.type] if pa.types.is_struct(found.type) else []


def _whole_parquet(path: Path) -> Any:
    return Parquet(path, columns_of(path)).table()


def _whole_arrow(path: Path) -> Any:
    """The table in an Arrow file whose buffers are not compressed.

    Raises:
        InputError: If the file is damaged, or has compressed buffers, which could need any
            amount of memory.
    """
    with undamaged(path), pa.OSFile(str(path), "rb") as file:
        if file.read(8) != b"ARROW1\0\0":
            raise InputError(f"{path} is not an Arrow file.")
        # The blocks form a stream; the index at the end of the file repeats them.
        messages = [*pa.ipc.MessageReader.open_stream(file)]
        if not messages:
            raise pa.ArrowInvalid("it has no schema")
        schema = pa.ipc.read_schema(messages[0])
        batches = []
        for message in messages[1:]:
            if message.type != "record batch" or _compressed(message.metadata):
                raise InputError(
                    f"{path} is compressed or has dictionaries; store the data set as"
                    " parquet, or without."
                )
            batches.append(pa.ipc.read_record_batch(message, schema))
        table = pa.Table.from_batches(batches, schema)
        _decode_names(schema)
        table.validate(full=True)
        return table


def _decode_names(fields: Iterable[Any]) -> None:
    """Decodes the names of columns and of their parts, to find names that are not UTF-8.

    Raises:
        UnicodeDecodeError: If a name is not UTF-8.
    """
    for each in fields:
        _ = each.name
        if pa.types.is_struct(each.type):
            _decode_names(each.type)


def _compressed(metadata: Any) -> bool:
    """Whether the record batch of a message has compressed buffers.

    The message is a flatbuffer whose third field is the batch, and the fourth field of
    that its compression (``Message.fbs`` of Arrow).
    """
    data = metadata.to_pybytes()

    def field(table: int, number: int) -> int:
        """Position of a field of a table; 0 where it is missing."""
        (back,) = struct.unpack_from("<i", data, table)
        (size,) = struct.unpack_from("<H", data, table - back)
        at = 4 + 2 * number
        if at >= size:
            return 0
        (offset,) = struct.unpack_from("<H", data, table - back + at)
        return table + offset if offset else 0

    try:
        (message,) = struct.unpack_from("<I", data, 0)
        header = field(message, 2)
        (offset,) = struct.unpack_from("<I", data, header)
        return field(header + offset, 3) != 0
    except struct.error as error:
        raise pa.ArrowInvalid(str(error)) from error
