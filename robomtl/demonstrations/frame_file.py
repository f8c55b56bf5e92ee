"""Frames in a file: one record of float32 numbers per frame, read by position.

Pages of a mapped file count as memory of the process that touches them. Reading by position
leaves them to the system's page cache, and takes less time than a page fault.
"""

import math
import mmap
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.errors import InputError
from robomtl.files.untrusted import check_file

LIMIT = 128 * 2**20
"""Largest size of frames that are kept in memory [bytes]."""
BLOCK = 16 * 2**20
"""Size of the blocks in which all frames are read [bytes]."""
VECTORS = "frames"
"""Name of the file with all vectors, see ``file_of``."""
_ITEM = np.dtype(np.float32).itemsize

Fill = Callable[[NDArray[np.int64], NDArray[np.int64]], None]
"""Stores the records of runs of frames, given their first frames and lengths."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Records(Mapping[str, NDArray[Any]]):
    """Frames in files; as a mapping, it has each feature as a memory-mapped array."""

    folder: Path
    """Folder of the files: one for all vectors, and one for each feature of images."""
    frames: int
    """Number of records."""
    sizes: Mapping[str, int]
    """Length of each vector, in the order of a record."""
    images: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Shape of the images of each camera, by feature."""
    fill: Fill | None = field(default=None, repr=False)
    """Stores vectors before they are read; None if all are stored."""
    _files: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Opens the files, so that they can be read even after they were replaced.

        Raises:
            InputError: If a file is missing, or its size contradicts the number of frames.
        """
        sizes = {name: math.prod(shape) for name, shape in self.images.items()}
        files = {
            name: self._opened(self.folder / file_of(name), self.frames * size)
            for name, size in {VECTORS: self.width * _ITEM, **sizes}.items()
        }
        object.__setattr__(self, "_files", files)

    def _opened(self, path: Path, size: int) -> int:
        check_file(path, limit=2**62)
        file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, file)
        actual = os.fstat(file).st_size
        if actual != size:
            raise InputError(
                f"{path} has {actual:,} bytes instead of {size:,}; remove {self.folder},"
                " so that it is created again."
            )
        return file

    def __reduce__(self) -> tuple[Any, ...]:
        """Stores all frames, so that another process only opens the files."""
        self.ready(np.zeros(1, np.int64), np.full(1, self.frames))
        fields = self.folder, self.frames, dict(self.sizes), dict(self.images)
        return _reopened, fields

    @property
    def width(self) -> int:
        """Number of values in a record."""
        return sum(self.sizes.values())

    @property
    def size(self) -> int:
        """Size of a frame, with images [bytes]."""
        return self.width * _ITEM + sum(map(math.prod, self.images.values()))

    def part(self, name: str) -> slice:
        """Slice of a record with a vector."""
        names = list(self.sizes)
        start = sum(self.sizes[each] for each in names[: names.index(name)])
        return slice(start, start + self.sizes[name])

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A feature of all frames, memory-mapped; (frame, …)."""
        if name in self.images:
            return self._mapped(name, np.uint8, self.images[name])
        if name not in self.sizes:
            raise KeyError(name)
        self.ready(np.zeros(1, np.int64), np.full(1, self.frames))
        return self._mapped(VECTORS, np.float32, (self.width,))[:, self.part(name)]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a feature of one frame."""
        return self.images[name] if name in self.images else (self.sizes[name],)

    def ready(self, start: NDArray[np.int64], length: NDArray[np.int64]) -> None:
        """Stores the vectors of several runs now, instead of when they are read.

        Args:
            start: First frame of each run; (run,).
            length: Number of frames of each run; (run,).
        """
        if self.fill is not None:
            end = np.minimum(start + length, self.frames)
            self.fill(start, end - start)

    def _mapped(self, name: str, kind: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        size = self.frames * math.prod(shape) * np.dtype(kind).itemsize
        mapped = mmap.mmap(self._files[name], size, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, kind).reshape(self.frames, *shape)

    def __iter__(self) -> Iterator[str]:
        return iter([*self.sizes, *self.images])

    def __len__(self) -> int:
        return len(self.sizes) + len(self.images)

    def read(self, rows: NDArray[np.int64], steps: int) -> NDArray[np.float32]:
        """Consecutive records from each row on, zeros past the end; (row, step, value).

        Args:
            rows: Index of the first record; (row,).
            steps: Number of records from each row on.
        """
        return self.runs(rows, np.full(len(rows), steps)).reshape(
            len(rows), steps, self.width
        )

    def runs(
        self, start: NDArray[np.int64], length: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Records of several runs, one after the other; (record, value).

        Args:
            start: First record of each run; (run,).
            length: Number of records of each run; (run,).

        Raises:
            InputError: If the file was cut short since it was opened.
        """
        self.ready(start, length)
        values = np.zeros((int(length.sum()), self.width), np.float32)
        self._read_into(values, VECTORS, start, length)
        return values

    def pictures(
        self, name: str, start: NDArray[np.int64], length: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Images of several runs, one after the other; (image, height, width, 3).

        Args:
            name: Feature of the images.
            start: First frame of each run; (run,).
            length: Number of frames of each run; (run,).

        Raises:
            InputError: If the file was cut short since it was opened.
        """
        values = np.zeros((int(length.sum()), *self.images[name]), np.uint8)
        self._read_into(values, name, start, length)
        return values

    def _read_into(
        self,
        values: NDArray[Any],
        name: str,
        start: NDArray[np.int64],
        length: NDArray[np.int64],
    ) -> None:
        if not len(values):
            return
        record = values[0].nbytes
        content, file = values.data.cast("B"), self._files[name]
        count, position = 0, 0
        for offset, size in zip(
            (start * record).tolist(), (length * record).tolist(), strict=True
        ):
            count += os.preadv(file, [content[position : position + size]], offset)
            position += size
        available = np.minimum(length, self.frames - start).sum()
        if count != available * record:
            raise InputError(
                f"{self.folder / file_of(name)} was cut short while it was read; run the"
                " command again."
            )


def file_of(name: str) -> str:
    """Name of the file of a feature of images, or of all vectors."""
    return f"{name}.bin"


def _reopened(
    folder: Path,
    frames: int,
    sizes: Mapping[str, int],
    images: Mapping[str, tuple[int, ...]],
) -> Records:
    return Records(folder=folder, frames=frames, sizes=sizes, images=images)


def blocks(
    columns: Mapping[str, NDArray[Any]],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
) -> Iterator[dict[str, NDArray[Any]]]:
    """The columns of some episodes: at once, or in blocks of episodes from a file.

    Args:
        columns: Columns of all frames.
        start: First frame of each episode; (episode,).
        length: Number of frames of each episode; (episode,).
    """
    if not isinstance(columns, Records):
        rows = rows_of(start, length)
        yield {name: column[rows] for name, column in columns.items()}
        return
    columns.ready(start, length)  # All at once, so that one line shows the progress.
    for part in parts_of(length, columns.size):
        values = columns.runs(start[part], length[part])
        vectors = {name: values[:, columns.part(name)] for name in columns.sizes}
        yield vectors | {
            name: columns.pictures(name, start[part], length[part])
            for name in columns.images
        }


def parts_of(length: NDArray[np.int64], size: int) -> Iterator[slice]:
    """Slices of consecutive episodes, each of about ``BLOCK`` bytes.

    Args:
        length: Number of frames of each episode; (episode,).
        size: Size of a frame [bytes].
    """
    ends = np.cumsum(length) * size
    marks = np.arange(0, int(ends.max(initial=0)) + BLOCK, BLOCK)
    for first, last in pairwise(np.unique(np.searchsorted(ends, marks, "right"))):
        yield slice(int(first), int(last))


def rows_of(start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of the frames of some episodes, one episode after the other; (frame,).

    Args:
        start: First frame of each episode; (episode,).
        length: Number of frames of each episode; (episode,).
    """
    before = np.cumsum(length) - length
    return np.repeat(start - before, length) + np.arange(int(length.sum()))


def fits(columns: Mapping[str, NDArray[Any]], length: NDArray[np.int64]) -> bool:
    """Whether the columns of episodes of these lengths have at most ``LIMIT`` bytes."""
    if isinstance(columns, Records):
        size = columns.size
    else:
        rows = (column[:0] for column in columns.values())
        size = sum(math.prod(row.shape[1:]) * row.itemsize for row in rows)
    return int(length.sum()) * size <= LIMIT


def row_shape(columns: Mapping[str, NDArray[Any]], name: str) -> tuple[int, ...]:
    """Shape of a feature of one frame, without reading any."""
    if isinstance(columns, Records):
        return columns.shape(name)
    shape: tuple[int, ...] = columns[name].shape[1:]
    return shape


def in_memory(
    columns: Mapping[str, NDArray[Any]],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
) -> dict[str, NDArray[Any]]:
    """The columns of some episodes, copied into contiguous arrays.

    Args:
        columns: Columns of all frames.
        start: First frame of each episode; (episode,).
        length: Number of frames of each episode; (episode,).
    """
    parts = list(blocks(columns, start, length))
    if len(parts) == 1:
        return {name: np.ascontiguousarray(part) for name, part in parts[0].items()}
    return {
        name: np.concatenate([part[name] for part in parts])
        if parts
        else column[:0].copy()
        for name, column in columns.items()
    }
