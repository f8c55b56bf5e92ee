"""Frames in one file: a record of float32 numbers for each, read by position.

Pages of a mapped file count as memory of the process that touches them, and stay. Reading
by position leaves them to the system's cache, and takes less time than a page fault.
"""

import mmap
import os
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.errors import InputError

LIMIT = 128 * 2**20
"""Bytes of vectors up to which frames are kept in memory."""
BLOCK = 16 * 2**20
"""Bytes that are read at once where all frames are gone through."""
_ITEM = np.dtype(np.float32).itemsize


@dataclass(frozen=True, kw_only=True, eq=False)
class Records(Mapping[str, NDArray[Any]]):
    """Vectors of frames in a file; as a mapping, each of them as a mapped array."""

    path: Path
    """The file."""
    frames: int
    """Number of records."""
    sizes: Mapping[str, int]
    """Length of each vector, in the order in which they lie in a record."""
    _file: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Opens the file, so that it can be read even after it was replaced."""
        file = os.open(self.path, os.O_RDONLY)
        object.__setattr__(self, "_file", file)
        weakref.finalize(self, os.close, file)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the file again."""
        made = partial(Records, path=self.path, frames=self.frames, sizes=self.sizes)
        return made, ()

    @property
    def width(self) -> int:
        """Numbers in a record."""
        return sum(self.sizes.values())

    def part(self, name: str) -> slice:
        """Place of a vector in a record."""
        names = list(self.sizes)
        start = sum(self.sizes[each] for each in names[: names.index(name)])
        return slice(start, start + self.sizes[name])

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A vector of all frames, mapped; (frame, size)."""
        if name not in self.sizes:
            raise KeyError(name)
        size = self.frames * self.width * _ITEM
        mapped = mmap.mmap(self._file, size, access=mmap.ACCESS_READ)
        records = np.frombuffer(mapped, np.float32).reshape(self.frames, self.width)
        return records[:, self.part(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def read(self, rows: NDArray[np.int64], steps: int) -> NDArray[np.float32]:
        """Records from some rows on; zeros past the end. (row, step, number).

        Args:
            rows: First record of each; (row,).
            steps: Number of records of each.
        """
        return self.runs(rows, np.full(len(rows), steps)).reshape(
            len(rows), steps, self.width
        )

    def runs(
        self, start: NDArray[np.int64], length: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Records of several runs, one after the other; (record, number).

        Args:
            start: First record of each; (run,).
            length: Number of records of each; (run,).

        Raises:
            InputError: If the file was cut short since it was opened.
        """
        record = self.width * _ITEM
        values = np.zeros((int(length.sum()), self.width), np.float32)
        if not len(values):
            return values
        content, file = values.data.cast("B"), self._file
        count, place = 0, 0
        for offset, size in zip(
            (start * record).tolist(), (length * record).tolist(), strict=True
        ):
            count += os.preadv(file, [content[place : place + size]], offset)
            place += size
        there = np.minimum(length, self.frames - start).sum()
        if count != there * record:
            raise InputError(
                f"{self.path} was cut short while it was read; give the command again."
            )
        return values


def blocks(
    columns: Mapping[str, NDArray[Any]],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
) -> Iterator[dict[str, NDArray[Any]]]:
    """The columns of some episodes, a few episodes at a time where they lie in a file.

    Args:
        columns: Of all frames.
        start: First frame of each episode; (episode,).
        length: Number of frames; (episode,).
    """
    if not isinstance(columns, Records):
        rows = rows_of(start, length)
        yield {name: column[rows] for name, column in columns.items()}
        return
    size = np.cumsum(length) * (columns.width * _ITEM)
    marks = np.arange(0, int(size.max(initial=0)) + BLOCK, BLOCK)
    for first, last in pairwise(np.unique(np.searchsorted(size, marks, "right"))):
        part = slice(int(first), int(last))
        values = columns.runs(start[part], length[part])
        yield {name: values[:, columns.part(name)] for name in columns}


def rows_of(start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """The frames of some episodes, one episode after the other; (frame,).

    Args:
        start: First frame of each; (episode,).
        length: Number of frames; (episode,).
    """
    before = np.cumsum(length) - length
    return np.repeat(start - before, length) + np.arange(int(length.sum()))


def fits(columns: Mapping[str, NDArray[Any]], length: NDArray[np.int64]) -> bool:
    """Whether episodes of these lengths are few enough to lie in memory."""
    size = sum(_bytes(column) for column in columns.values())
    return int(length.sum()) * size <= LIMIT


def _bytes(column: NDArray[Any]) -> int:
    """Size of a row."""
    return int(np.prod(column.shape[1:])) * column.itemsize


def in_memory(
    columns: Mapping[str, NDArray[Any]],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
) -> dict[str, NDArray[Any]]:
    """The columns of some episodes, copied next to one another.

    Args:
        columns: Of all frames.
        start: First frame of each episode; (episode,).
        length: Number of frames; (episode,).
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
