"""Reads and checks the data files of a data set one by one."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations import layout
from robomtl.demonstrations.columns import integers, vectors
from robomtl.demonstrations.files import inside
from robomtl.demonstrations.marks import Faults, Marks, marks_in
from robomtl.demonstrations.metadata import Index, Info
from robomtl.errors import InputError
from robomtl.files.parquet import Parquet, check_size

_ORDER = ("index", "episode_index", layout.TASK_INDEX)


class Part(NamedTuple):
    """The frames of one data file."""

    frames: slice
    """Range of the frames among all frames."""
    episodes: slice
    """Range of their episodes among all episodes."""
    columns: dict[str, NDArray[np.float32]]
    """Vectors by feature, (frame, size); actions are clipped to [-1, 1], and zero if none
    were recorded."""
    marks: Marks
    """Marks of the episodes."""


def read_columns(info: Info) -> list[str]:
    """Columns of the data files that are read besides vectors."""
    dtypes = {
        layout.VARIATION: ("int64",),
        layout.SUCCESS: ("bool", "int64", "float32"),
    }
    optional = [name for name in dtypes if info.dtype(name) in dtypes[name]]
    return [*_ORDER, *optional]


class DataFiles:
    """The data files of a data set, in the order of their frames.

    Args:
        folder: Folder of the data set.
        info: Content of its ``meta/info.json``.
        index: Index of its episodes.
        sizes: Length of each vector that is read, by feature.
    """

    def __init__(
        self, folder: Path, info: Info, index: Index, sizes: Mapping[str, int]
    ) -> None:
        self._folder, self._info, self._index = folder, info, index
        self._sizes = sizes
        self.paths = tuple(dict.fromkeys(index.files))
        """Path of each file."""

    @property
    def recorded(self) -> dict[str, int]:
        """Length of each vector that the files contain, by feature."""
        named = self._info.features
        return {name: size for name, size in self._sizes.items() if name in named}

    @cached_property
    def length(self) -> NDArray[np.int64]:
        """Number of frames of each file, as meta/episodes lists them; (file,)."""
        number = {path: i for i, path in enumerate(self.paths)}
        owner = np.array([number[path] for path in self._index.files])
        return np.bincount(owner, self._index.length).astype(np.int64)

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """Index of the first frame of each file; (file,)."""
        return np.cumsum(self.length) - self.length

    def parts(self, faults: Faults) -> Iterator[Part]:
        """The frames of each file, after the footers of all files were checked.

        Args:
            faults: Receives the first fault of each kind.

        Raises:
            InputError: If a file is missing, damaged or too large, or contradicts others.
        """
        files = [self._file(number) for number in range(len(self.paths))]
        self._check_size(files)
        for number, file in enumerate(files):
            yield self._part(file, int(self.first[number]), faults)

    def part(self, number: int, faults: Faults) -> Part:
        """The frames of a file; see ``parts``."""
        file = self._file(number)
        self._check_size([file])
        return self._part(file, int(self.first[number]), faults)

    def _file(self, number: int) -> Parquet:
        path, listed = self.paths[number], self.length[number]
        inside(self._folder, str(path.relative_to(self._folder)))
        file = Parquet(path, [*self.recorded, *read_columns(self._info)])
        if file.rows != listed:
            raise InputError(
                f"{path} contains {file.rows} frames, meta/episodes lists {listed}."
            )
        return file

    def _check_size(self, files: Sequence[Parquet]) -> None:
        """Refuses files that are too large, or vectors longer than the files declare."""
        declared = sum(file.declared for file in files)
        check_size(self._folder, declared, sum(file.disk for file in files))
        sizes, count = list(self.recorded.values()), sum(file.rows for file in files)
        if count * sum(sizes) * np.float32().itemsize > declared:
            names = " and ".join(f"'{name}'" for name in self.recorded)
            raise InputError(
                f"{self._folder / layout.INFO}: the features {names} have"
                f" {' and '.join(map(str, sizes))} numbers, which is more than the data"
                " files contain."
            )

    def _part(self, file: Parquet, first: int, faults: Faults) -> Part:
        table, path, index = file.table(), file.path, self._index
        frames = slice(first, first + file.rows)
        edges = np.searchsorted(index.start, (frames.start, frames.stop))
        episodes = slice(*edges.tolist())
        number = np.arange(*edges.tolist())
        length = index.length[episodes]
        start = index.start[episodes] - frames.start
        count, owner, task = (integers(table, name, path) for name in _ORDER)
        if not (
            np.array_equal(count, np.arange(frames.start, frames.stop))
            and np.array_equal(owner, np.repeat(number, length))
        ):
            raise InputError(
                f"{path} does not contain the frames in the order of meta/episodes."
            )
        changed = np.flatnonzero(task != np.repeat(task[start], length))
        if len(changed) and faults.changed_task is None:
            faults.changed_task = frames.start + int(changed[0])
        columns = {
            name: vectors(table, name, size, path)
            if name in self.recorded
            else np.zeros((file.rows, size), np.float32)
            for name, size in self._sizes.items()
        }
        for name, values in columns.items():
            bad = np.flatnonzero(~np.isfinite(values).all(1))
            if len(bad):
                faults.not_finite.setdefault(name, frames.start + int(bad[0]))
        marks = marks_in(table, path, task[start], columns[layout.ACTION], start)
        np.clip(columns[layout.ACTION], -1, 1, out=columns[layout.ACTION])
        return Part(frames, episodes, columns, marks)
