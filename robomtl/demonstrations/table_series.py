"""Writes a table into a series of parquet files of limited size."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from robomtl.demonstrations import layout
from robomtl.files.durable import replacing


class FileNumber(NamedTuple):
    """Number of a file in a series, and of its chunk."""

    chunk: int
    file: int

    def next(self, files_per_chunk: int) -> "FileNumber":
        """The number of the next file."""
        if self.file == files_per_chunk - 1:
            return FileNumber(self.chunk + 1, 0)
        return FileNumber(self.chunk, self.file + 1)


class TableSeries:
    """A series of parquet files of limited size, written one after the other.

    Args:
        folder: Folder of the data set.
        path: Template of the files' paths.
        limit: Size at which a new file is begun [MB].
    """

    def __init__(self, folder: Path, path: str, limit: float) -> None:
        self._folder, self._path = folder, path
        self._limit = limit * 1024**2
        self._number = FileNumber(0, 0)
        self._file: Any = None
        self._writer: Any = None
        self._stack = ExitStack()

    def __enter__(self) -> "TableSeries":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def file_for(self, size: int) -> FileNumber:
        """The number of the file that the next table will be written into.

        Args:
            size: Size of the table in memory [bytes], about the most that it needs on disk.
        """
        if self._writer is not None and self._file.tell() + size >= self._limit:
            self._close()
            self._number = self._number.next(layout.FILES_PER_CHUNK)
        return self._number

    def write(self, table: Any) -> None:
        """Writes a table as one row group into the file that ``file_for`` returned."""
        writer = self._writer or self._open(table.schema)
        writer.write_table(table, row_group_size=len(table))

    def _open(self, schema: Any) -> Any:
        number = self._number
        path = self._path.format(chunk_index=number.chunk, file_index=number.file)
        temporary = self._stack.enter_context(replacing(self._folder / path))
        self._file = self._stack.enter_context(pa.OSFile(str(temporary), "wb"))
        writer = pq.ParquetWriter(self._file, schema, write_page_checksum=True)
        self._writer = self._stack.enter_context(writer)
        return self._writer

    def _close(self) -> None:
        self._stack.close()
        self._writer = None
