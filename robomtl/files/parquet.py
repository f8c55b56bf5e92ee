"""Reads parquet files whose footers show that they fit into memory.

A file of a few megabytes may inflate to any size. The sizes that its footer declares are
therefore added up before anything is decoded: the uncompressed bytes of each column chunk,
and 8 more for each of its values, since runs of equal values need almost no bytes.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from robomtl.errors import InputError
from robomtl.files.durable import write_bytes

LIMIT = 128 * 2**20
"""Size in memory up to which any file is read [bytes]."""
_INFLATION = 50  # Largest ratio of size in memory to size on disk, above the limit.


@contextmanager
def undamaged(path: Path) -> Iterator[None]:
    """Converts errors of arrow in the block into a message that the file is damaged.

    Args:
        path: File that the block reads.

    Raises:
        InputError: If the block raises an error of arrow or of the operating system, or
            a name is not UTF-8.
    """
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is damaged or cut short: {reason}") from error


def check_size(where: Path, declared: int, disk: int) -> None:
    """Refuses a file that would inflate far beyond its size on disk.

    Args:
        where: File or folder, for the message.
        declared: Size in memory that the footers declare [bytes].
        disk: Size on disk [bytes].

    Raises:
        InputError: If the declared size exceeds the limit.
    """
    if declared > max(LIMIT, _INFLATION * disk):
        raise InputError(
            f"{where} has {disk:,} bytes and declares {declared:,} in memory; at most"
            f" {LIMIT:,} are read, or {_INFLATION} times its size if that is more."
        )


def check_rows(where: Path, rows: int, max_rows: int) -> None:
    """Refuses too many rows of a table that is converted to Python objects.

    Args:
        where: File or folder, for the message.
        rows: Number of rows that the footers declare.
        max_rows: Largest number of rows that is read.

    Raises:
        InputError: If there are more rows.
    """
    if rows > max_rows:
        raise InputError(f"{where} has {rows:,} rows; at most {max_rows:,} are read.")


class Parquet:
    """A parquet file whose footer has been read.

    Args:
        path: A regular file.
        names: Columns to read.
        texts: Columns among these that contain strings; they are read as dictionaries,
            which store a repeated string once.

    Raises:
        InputError: If the file is damaged or cut short, lacks a column or has it twice,
            or declares more than is read.
    """

    def __init__(
        self, path: Path, names: Sequence[str], *, texts: Sequence[str] = ()
    ) -> None:
        self.path = path
        """Path of the file."""
        self._names = list(names)
        with undamaged(path), pq.ParquetFile(path) as file:
            present: list[str] = file.schema_arrow.names
            _check_columns(path, names, present)
            paths = file.reader.column_paths
            chosen = [leaf for leaf, each in enumerate(paths) if each[0] in names]
            leaves: list[Any] = paths  # A list of names each, not one as in the stubs.
            self._texts = [name for name in texts if [name] in leaves]
            self.rows = int(file.metadata.num_rows)
            """Number of rows."""
            self.declared = _declared(file.metadata, chosen)
            """Size of the columns in memory [bytes]."""
            self.disk = path.stat().st_size
            """Size of the file [bytes]."""
        check_size(path, self.declared, self.disk)

    def table(self) -> Any:
        """The columns as an arrow table.

        Raises:
            InputError: If the file is damaged or cut short, or contradicts its footer.
        """
        opened = pq.ParquetFile(
            self.path,
            read_dictionary=self._texts,
            page_checksum_verification=True,
            pre_buffer=False,  # Handing small files to threads takes longer than reading.
        )
        with undamaged(self.path), opened as file:
            table = file.read(self._names, use_threads=False)
            table.validate(full=True)
        if len(table) != self.rows:
            raise InputError(
                f"{self.path} is damaged: it contains {len(table)} rows and declares"
                f" {self.rows}."
            )
        return table


def columns_of(path: Path) -> list[str]:
    """Names of the columns of a parquet file.

    Raises:
        InputError: If the file is damaged or cut short.
    """
    names: list[str] = schema_of(path).names
    return names


def schema_of(path: Path) -> Any:
    """The arrow schema of a parquet file.

    Raises:
        InputError: If the file is damaged or cut short.
    """
    with undamaged(path):
        return pq.read_schema(path)


def _check_columns(path: Path, names: Sequence[str], present: Sequence[str]) -> None:
    for name in names:
        if name not in present:
            raise InputError(f"{path} has no column '{name}'.")
        if present.count(name) > 1:
            raise InputError(f"{path} has {present.count(name)} columns '{name}'.")


def _declared(metadata: Any, leaves: Sequence[int]) -> int:
    size = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for leaf in leaves:
            chunk = group.column(leaf)
            size += max(chunk.total_uncompressed_size, 0) + 8 * max(chunk.num_values, 0)
    return size


def write_table(path: Path, table: Any) -> None:
    """Writes an arrow table, durably; see ``write_bytes``."""
    content = io.BytesIO()
    pq.write_table(table, content)
    write_bytes(path, content.getvalue())
