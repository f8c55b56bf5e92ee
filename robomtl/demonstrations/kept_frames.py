"""The frames of a data set: checked file by file, and kept in memory or in a file."""

import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from robomtl.cache import entry
from robomtl.camera import Picture
from robomtl.demonstrations import layout
from robomtl.demonstrations.columns import truths, vectors, whole
from robomtl.demonstrations.files import inside
from robomtl.demonstrations.frame_file import LIMIT, VECTORS, Records, file_of
from robomtl.demonstrations.metadata import Index, Info, vector_size
from robomtl.demonstrations.videos import image_shape, read_clips, read_images
from robomtl.errors import InputError
from robomtl.features import STATE
from robomtl.nearest import unknown
from robomtl.parquet import Parquet, check_size, write_table
from robomtl.pictures import IMAGE, PROPRIOCEPTION
from robomtl.progress import progress

_FORMAT = 1  # To be raised when the same data set is to be stored otherwise.
_ORDER = ("index", "episode_index", "task_index")
_MARKS = "episodes.parquet"
_PICTURES = layout.IMAGES, layout.OBSERVATION + IMAGE


class Marks(NamedTuple):
    """What the frames say of each episode; each (episode,)."""

    task: NDArray[np.int64]
    """Task index of its first frame."""
    variation: NDArray[np.int64]
    """Variation of its first frame; -1 where it was not recorded."""
    success: NDArray[np.bool_]
    """Whether a step succeeded; true where that was not recorded."""
    largest: NDArray[np.float32]
    """Size of its largest action, before clipping."""
    largest_step: NDArray[np.int64]
    """Step of that action."""


@dataclass
class Faults:
    """The first frame at which something is wrong."""

    changed_task: int | None = None
    """Frame of another task than the first of its episode."""
    not_finite: dict[str, int] = field(default_factory=dict)
    """Frame with a number that is not finite, by the feature."""


class Part(NamedTuple):
    """The frames of one data file."""

    frames: slice
    """Their place among all frames."""
    episodes: slice
    """Their episodes."""
    columns: dict[str, NDArray[np.float32]]
    """Their vectors by feature, actions clipped to [-1, 1]; (frame, size)."""
    marks: Marks
    """Their episodes' marks."""


Check = Callable[[Marks, Faults], None]
"""Refuses what cannot be learned from."""


def read_columns(info: Info) -> list[str]:
    """Columns of the data files that are read beside vectors."""
    own = {layout.VARIATION: ("int64",), layout.SUCCESS: ("bool", "int64", "float32")}
    optional = [name for name in own if info.dtype(name) in own[name]]
    return [*_ORDER, *optional]


def read_frames(
    folder: Path, info: Info, index: Index, observe: Sequence[str], check: Check
) -> tuple[Mapping[str, NDArray[Any]], Marks]:
    """The vectors of all frames by feature, and the marks of all episodes.

    Frames that do not fit in memory are read and checked once, and kept as records in a
    file of the cache for as long as the files of the data set stay as they are.

    Args:
        folder: Folder of the data set.
        info: Describes its features.
        index: Where its episodes lie.
        observe: Names of the observation features that are read.
        check: Called before anything is kept or given back.

    Raises:
        InputError: If a file is missing, damaged or too large, or contradicts the others.
    """
    found = find_features(folder, info, observe)
    vectors = [
        layout.STATE,
        layout.ACTION,
        *(n for n in found.vectors if n != layout.STATE),
    ]
    sizes = {name: vector_size(folder, info, name) for name in vectors}
    source = _Source(folder, info, index, sizes, found.images)
    frame = sum(sizes.values()) * np.float32().itemsize
    frame += sum(map(math.prod, found.images.values()))
    if info.total_frames * frame <= LIMIT:
        return source.in_memory(check)
    kept = entry(
        "frames",
        "+".join([str(folder.resolve()), *sizes, *found.images]),
        [_FORMAT, sizes, read_columns(info), found.images, source.states()],
        make=lambda new: source.store(new, check),
    )
    marks = _read_marks(kept / _MARKS)
    check(marks, Faults())
    records = Records(
        folder=kept, frames=info.total_frames, sizes=sizes, images=found.images
    )
    return records, marks


def default_features(info: Info) -> tuple[str, ...]:
    """The observation features that policies read unless others are named.

    They are the images and the proprioception of a data set with both, which leaves out
    the state, where objects and goals are; and the state of any other.
    """
    images = sorted(
        key.removeprefix(layout.OBSERVATION)
        for key in info.features
        if key.startswith(layout.OBSERVATION + IMAGE)
    )
    own = layout.OBSERVATION + PROPRIOCEPTION in info.features
    return (*images, PROPRIOCEPTION) if images and own else (STATE,)


class Found(NamedTuple):
    """The observation features that are read, by their names in the data set."""

    vectors: tuple[str, ...]
    images: Mapping[str, tuple[int, ...]]
    """With the shape of each."""


def find_features(folder: Path, info: Info, observe: Sequence[str]) -> Found:
    """The observation features of a data set that have these names.

    Raises:
        InputError: If there is none of a name, or it is neither a vector nor a video.
    """
    named = {
        key.removeprefix(layout.OBSERVATION).removeprefix("images."): key
        for key in info.features
        if key.startswith(layout.OBSERVATION)
    }
    for name in observe:
        if name not in named and name != STATE:
            told = unknown(f"observation feature of {folder}", name, named)
            if name.startswith(IMAGE) and not any(n.startswith(IMAGE) for n in named):
                camera = name.removeprefix(IMAGE)
                told += (
                    " It has no pictures; collect with --cameras, or add them:"
                    f" robomtl data add-camera {folder} --cameras {camera} --out NEW."
                )
            raise InputError(told)
    keys = [named.get(name, layout.STATE) for name in observe]
    where = folder / layout.INFO
    images = {
        key: image_shape(where, key, info.features[key])
        for key in keys
        if key.startswith(_PICTURES)
    }
    return Found(tuple(key for key in keys if key not in images), images)


class _Source:
    """The data files of a data set.

    Args:
        folder: Folder of the data set.
        info: Describes its features.
        index: Where its episodes lie.
        sizes: Length of each vector that is read, by feature.
        images: Shape of the images that are read, by feature.
    """

    def __init__(
        self,
        folder: Path,
        info: Info,
        index: Index,
        sizes: Mapping[str, int],
        images: Mapping[str, tuple[int, ...]],
    ) -> None:
        self._folder, self._info, self._index = folder, info, index
        self._sizes, self._paths = sizes, list(dict.fromkeys(index.files))
        self._images = images
        self._clips = {key: read_clips(folder, info, index, key) for key in images}

    def states(self) -> list[tuple[str, int, int, int]]:
        """What tells whether a file of the data set has changed, for each of them."""
        meta = [self._folder / layout.INFO, *self._index.listed_in]
        found = []
        videos = [path for clips in self._clips.values() for path in clips.files]
        for path in (*meta, *self._paths, *dict.fromkeys(videos)):
            name = str(path.relative_to(self._folder))
            state = inside(self._folder, name).stat()
            found.append((name, state.st_size, state.st_mtime_ns, state.st_ctime_ns))
        return found

    def _pictures(self, key: str) -> Iterator[tuple[int, Picture]]:
        """The images of a camera, each with the number of its frame."""
        clips, shape = self._clips[key], self._images[key]
        return read_images(self._folder, self._info, self._index, clips, shape)

    def in_memory(self, check: Check) -> tuple[dict[str, NDArray[Any]], Marks]:
        """The vectors of all frames, and the marks of all episodes."""
        files, faults, parts = self._opened(), Faults(), list[Part]()
        count = self._info.total_frames
        columns = {n: np.empty((count, s), np.float32) for n, s in self._sizes.items()}
        for part in self._parts(files, faults):
            for name, column in columns.items():
                column[part.frames] = part.columns[name]
            parts.append(part._replace(columns={}))
        marks = _joined(part.marks for part in parts)
        check(marks, faults)
        pictures = {
            key: np.empty((count, *shape), np.uint8)
            for key, shape in self._images.items()
        }
        for key, values in pictures.items():
            for row, image in self._pictures(key):
                values[row] = image
        return {**columns, **pictures}, marks

    def store(self, new: Path, check: Check) -> None:
        """Writes records and marks into a folder."""
        files, faults, marks = self._opened(), Faults(), list[Marks]()
        with ExitStack() as stack:
            file = stack.enter_context((new / file_of(VECTORS)).open("wb"))
            title = f"Reading {self._folder.name} once"
            advance = stack.enter_context(progress(title, self._info.total_frames))
            for part in self._parts(files, faults):
                file.write(np.concatenate(list(part.columns.values()), axis=1).data)
                marks.append(part.marks)
                advance(part.frames.stop - part.frames.start)
        found = _joined(marks)
        check(found, faults)
        for key, shape in self._images.items():
            self._store_pictures(new, key, math.prod(shape))
        write_table(new / _MARKS, pa.table(found._asdict()))

    def _store_pictures(self, new: Path, key: str, size: int) -> None:
        """Writes the images of a camera, of so many bytes each."""
        count = self._info.total_frames
        free = shutil.disk_usage(new).free
        if count * size > free:
            raise InputError(
                f"The {count:,} images of '{key}' in {self._folder} take {count * size:,}"
                f" bytes, and {new.parent} has {free:,} free; set ROBOMTL_CACHE to a folder"
                " with more."
            )
        title = f"Decoding {key} once"
        with (new / file_of(key)).open("wb") as file, progress(title, count) as advance:
            for row, image in self._pictures(key):
                os.pwrite(file.fileno(), np.ascontiguousarray(image).data, row * size)
                advance()

    def _opened(self) -> list[Parquet]:
        """The data files, once the footers of all fit together."""
        paths, index = self._paths, self._index
        number = {path: i for i, path in enumerate(paths)}
        owner = np.array([number[path] for path in index.files])
        listed = np.bincount(owner, index.length).astype(np.int64)
        files = [self._file(path) for path in paths]
        for file, count in zip(files, listed.tolist(), strict=True):
            if count != file.rows:
                raise InputError(
                    f"{file.path} holds {file.rows} frames, meta/episodes lists {count}."
                )
        self._check_size(files)
        return files

    def _file(self, path: Path) -> Parquet:
        inside(self._folder, str(path.relative_to(self._folder)))
        return Parquet(path, [*self._sizes, *read_columns(self._info)])

    def _check_size(self, files: Sequence[Parquet]) -> None:
        """Refuses vectors that are longer than the files declare."""
        declared = sum(file.declared for file in files)
        check_size(self._folder, declared, sum(file.disk for file in files))
        sizes, count = list(self._sizes.values()), self._info.total_frames
        if count * sum(sizes) * np.float32().itemsize > declared:
            names = " and ".join(f"'{name}'" for name in self._sizes)
            raise InputError(
                f"{self._folder / layout.INFO}: the features {names} have"
                f" {' and '.join(map(str, sizes))} numbers, which is more than the data"
                " files hold."
            )

    def _parts(self, files: Sequence[Parquet], faults: Faults) -> Iterator[Part]:
        """The frames of each file; what is wrong with them is noted."""
        first = 0
        for file in files:
            yield self._part(file, slice(first, first + file.rows), faults)
            first += file.rows

    def _part(self, file: Parquet, frames: slice, faults: Faults) -> Part:
        table, path, index = file.table(), file.path, self._index
        edges = np.searchsorted(index.start, (frames.start, frames.stop))
        episodes = slice(*edges.tolist())
        number = np.arange(*edges.tolist())
        length = index.length[episodes]
        start = index.start[episodes] - frames.start
        count, owner, task = (whole(table, name, path) for name in _ORDER)
        if not (
            np.array_equal(count, np.arange(frames.start, frames.stop))
            and np.array_equal(owner, np.repeat(number, length))
        ):
            raise InputError(
                f"{path} does not hold the frames in the order of meta/episodes."
            )
        changed = np.flatnonzero(task != np.repeat(task[start], length))
        if len(changed) and faults.changed_task is None:
            faults.changed_task = frames.start + int(changed[0])
        columns = {n: vectors(table, n, s, path) for n, s in self._sizes.items()}
        for name, values in columns.items():
            bad = np.flatnonzero(~np.isfinite(values).all(1))
            if len(bad):
                faults.not_finite.setdefault(name, frames.start + int(bad[0]))
        marks = _marks(table, path, task[start], columns[layout.ACTION], start)
        np.clip(columns[layout.ACTION], -1, 1, out=columns[layout.ACTION])
        return Part(frames, episodes, columns, marks)


def _marks(
    table: Any,
    path: Path,
    task: NDArray[np.int64],
    action: NDArray[np.float32],
    start: NDArray[np.int64],
) -> Marks:
    """The marks of the episodes of a file that begin at these rows."""
    variation, success = np.full(len(task), -1), np.full(len(task), True)
    if layout.VARIATION in table.column_names:
        variation = whole(table, layout.VARIATION, path)[start]
    if layout.SUCCESS in table.column_names:
        success = np.logical_or.reduceat(truths(table, layout.SUCCESS, path), start)
    size = np.abs(action).max(1)
    largest = np.maximum.reduceat(size, start)
    length = np.diff(start, append=len(size))
    row = np.arange(len(size))
    there = np.where(size == np.repeat(largest, length), row, len(size))
    step = np.minimum.reduceat(there, start) - start
    return Marks(task, variation, success, largest, step)


def _joined(parts: Iterator[Marks] | Sequence[Marks]) -> Marks:
    return Marks(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _read_marks(path: Path) -> Marks:
    table = Parquet(path, Marks._fields).table()
    task, variation, step = (
        whole(table, name, path) for name in ("task", "variation", "largest_step")
    )
    success = truths(table, "success", path)
    largest = vectors(table, "largest", 1, path)[:, 0]
    return Marks(task, variation, success, largest, step)
