"""Stores the frames of a data file in the cache when one of them is first read."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations.data_files import DataFiles, Part
from robomtl.demonstrations.frame_file import VECTORS, file_of
from robomtl.demonstrations.marks import Check, Faults, Marks, joined
from robomtl.errors import InputError
from robomtl.files.cache import lock_of
from robomtl.files.durable import append_line, read_lines, writing_into
from robomtl.progress import progress

FILLED = "filled.txt"
"""File that lists the numbers of data files whose frames are stored; none if all are."""
_EVERY = 256 * 2**20  # Bytes after which stored frames are listed.


@dataclass(frozen=True, kw_only=True, eq=False)
class Filling:
    """Fills the cached file of records of a data set.

    Several processes may fill the same file: each data file is read once.
    """

    folder: Path
    """Folder of the cache entry."""
    origin: Path
    """Folder of the data set."""
    files: DataFiles
    """Data files of the data set."""
    marks: Marks
    """Marks of all episodes, from statistics; frames that contradict them are refused."""
    check: Check
    """Refuses frames that cannot be learned from."""
    changed: Callable[[], bool]
    """Whether a file of the data set has changed since it was opened."""

    def __call__(self, start: NDArray[np.int64], length: NDArray[np.int64]) -> None:
        """Stores the data files with frames of these runs, unless they are stored already.

        Args:
            start: First frame of each run of consecutive frames; (run,).
            length: Number of frames of each run; (run,).

        Raises:
            InputError: If a data file is damaged, contradicts others, or has changed.
            DiskFullError: If the disk is full.
        """
        if not self._missing.any():
            return
        wanted = self._missing & self._touched(start, length)
        if not wanted.any():
            return
        with lock_of(self.folder):
            self._missing[self._listed()] = False  # By another process.
            numbers = np.flatnonzero(wanted & self._missing).tolist()
            if numbers:
                self._store(numbers)

    @cached_property
    def _missing(self) -> NDArray[np.bool_]:
        """Whether the frames of each file may have to be stored; (file,)."""
        missing = np.full(len(self.files.paths), True)
        missing[self._listed()] = False
        return missing

    def _listed(self) -> list[int]:
        """Numbers of the files whose frames are stored; damaged ones are left out."""
        count = len(self.files.paths)
        words = (
            word for line in read_lines(self.folder / FILLED) for word in line.split()
        )
        listed = (int(word) for word in words if word.isdecimal() and len(word) < 10)
        return [number for number in listed if number < count]

    def _touched(
        self, start: NDArray[np.int64], length: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Whether each file contains frames of a run; (file,)."""
        start, end = start[length > 0], (start + length)[length > 0] - 1
        begins, ends = (
            np.searchsorted(self.files.first, frame, side="right") - 1
            for frame in (start, end)
        )
        count = len(self.files.first)
        change = np.bincount(begins, minlength=count + 1)
        change -= np.bincount(ends + 1, minlength=count + 1)
        touched: NDArray[np.bool_] = np.cumsum(change)[:count] > 0
        return touched

    def _store(self, numbers: list[int]) -> None:
        if self.changed():
            raise InputError(
                f"{self.origin} has changed since it was opened; run the command again."
            )
        done, size = list[int](), 0
        with ExitStack() as stack:
            stack.enter_context(writing_into(self.folder))
            path = self.folder / file_of(VECTORS)
            file = stack.enter_context(path.open("r+b", buffering=0))
            title = f"Reading {self.origin.name} once"
            total = int(self.files.length[numbers].sum())
            advance = stack.enter_context(progress(title, total))
            for number in numbers:
                part = self._read(number)
                records = np.concatenate(list(part.columns.values()), axis=1)
                first = part.frames.start * records[0].nbytes
                os.pwrite(file.fileno(), records.data, first)
                done, size = [*done, number], size + records.nbytes
                if size >= _EVERY or number == numbers[-1]:
                    os.fsync(file.fileno())
                    append_line(self.folder / FILLED, " ".join(map(str, done)))
                    self._missing[done] = False
                    done, size = [], 0
                advance(len(records))

    def _read(self, number: int) -> Part:
        """The frames of a data file.

        Raises:
            InputError: If they have a fault or contradict the statistics.
        """
        faults = Faults()
        part = self.files.part(number, faults)
        expected, actual = self.marks.of(part.episodes), part.marks
        same = all(
            np.array_equal(getattr(expected, name), getattr(actual, name))
            for name in ("task", "variation", "success")
        )
        if same and faults == Faults() and np.all(actual.largest <= expected.largest):
            return part
        before, after = (
            self.marks.of(slice(part.episodes.start)),
            self.marks.of(slice(part.episodes.stop, None)),
        )
        self.check(joined((before, actual, after)), faults)
        raise InputError(
            f"{self.files.paths[number]} contradicts the statistics in meta/episodes of its"
            " tasks, variations, successes or actions."
        )
