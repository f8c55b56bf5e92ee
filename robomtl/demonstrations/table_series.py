"""A table in parquet files, written one after the other, each up to a size."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from robomtl.demonstrations import layout
from robomtl.files.durable import replacing


class Place(NamedTuple):
    """The numbers of a file within a series."""

    chunk: int
    file: int

    def next(self, files_per_chunk: int) -> "Place":
        """The file after this one."""
        if self.file == files_per_chunk - 1:
            return Place(self.chunk + 1, 0)
        return Place(self.chunk, self.file + 1)


class TableSeries:
    """Parquet files written one after the other, each up to a size.

    Args:
        folder: Where the data set lies.
        path: Template of the files' paths.
        limit: Size at which a new file is begun [MB].
    """

    def __init__(self, folder: Path, path: str, limit: float) -> None:
        self._folder, self._path = folder, path
        self._limit = limit * 1024**2
        self._place = Place(0, 0)
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

    def place(self, size: int) -> Place:
        """The file that the next table will lie in.

        Args:
            size: Its size in memory [byte]; the part of the file that it takes is at most about this.
        """
        if self._writer is not None and self._file.tell() + size >= self._limit:
            self._close()
            self._place = self._place.next(layout.FILES_PER_CHUNK)
        return self._place

    def write(self, table: Any) -> None:
        """Adds a table as one row group, in the place just named."""
        writer = self._writer or self._open(table.schema)
        writer.write_table(table, row_group_size=len(table))

    def _open(self, schema: Any) -> Any:
        place = self._place
        path = self._path.format(chunk_index=place.chunk, file_index=place.file)
        temporary = self._stack.enter_context(replacing(self._folder / path))
        self._file = self._stack.enter_context(pa.OSFile(str(temporary), "wb"))
        writer = pq.ParquetWriter(self._file, schema, write_page_checksum=True)
        self._writer = self._stack.enter_context(writer)
        return self._writer

    def _close(self) -> None:
        self._stack.close()
        self._writer = None
