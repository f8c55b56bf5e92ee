"""Frames of a data set, checked file by file and kept in memory or in the cache."""

import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from robomtl.camera import Picture
from robomtl.demonstrations import layout
from robomtl.demonstrations.data_files import DataFiles, Part, read_columns
from robomtl.demonstrations.episode_statistics import marks_by_statistics
from robomtl.demonstrations.files import inside
from robomtl.demonstrations.filling import FILLED, Filling
from robomtl.demonstrations.frame_file import LIMIT, VECTORS, Records, file_of
from robomtl.demonstrations.marks import Check, Faults, Marks, joined, read_marks
from robomtl.demonstrations.metadata import Index, Info, action_size, vector_size
from robomtl.demonstrations.videos import (
    Keep,
    decode_images,
    image_shape,
    read_clips,
    stretches,
)
from robomtl.errors import InputError
from robomtl.features import STATE
from robomtl.files.cache import entry
from robomtl.files.parquet import check_size, write_table
from robomtl.nearest import unknown
from robomtl.pictures import IMAGE, PROPRIOCEPTION
from robomtl.progress import progress

_FORMAT = 2  # Increased when the same data set is stored in another form.
_MARKS = "episodes.parquet"
_PICTURES = layout.IMAGES, layout.OBSERVATION + IMAGE


def read_frames(
    folder: Path, info: Info, index: Index, observe: Sequence[str], check: Check
) -> tuple[Mapping[str, NDArray[Any]], Marks]:
    """The features of all frames, (frame, …) by name, and the marks of all episodes.

    Frames that do not fit in memory are read and checked once, and kept as records in a
    file of the cache until a file of the data set changes. If meta/episodes has statistics
    of each episode, a data file is read when a frame of it is first used.

    Args:
        folder: Folder of the data set.
        info: Content of its ``meta/info.json``.
        index: Index of its episodes.
        observe: Names of the observation features that are read.
        check: Called before anything is stored or returned.

    Raises:
        InputError: If a file is missing, damaged or too large, or contradicts the others.
    """
    found = find_features(folder, info, observe)
    sizes = {
        layout.STATE: vector_size(folder, info, layout.STATE),
        layout.ACTION: action_size(folder, info),
        **{name: vector_size(folder, info, name) for name in found.vectors},
    }
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
    marks = read_marks(kept / _MARKS, len(index.length))
    check(marks, Faults())
    records = Records(
        folder=kept,
        frames=info.total_frames,
        sizes=sizes,
        images=found.images,
        fill=source.filling(kept, marks, check),
    )
    return records, marks


def default_features(info: Info) -> tuple[str, ...]:
    """Names of the observation features that policies read by default.

    If a data set has images and proprioception, they are these, without the state, which
    contains objects and goals; otherwise, the state.
    """
    images = sorted(
        key.removeprefix(layout.OBSERVATION)
        for key in info.features
        if key.startswith(layout.OBSERVATION + IMAGE)
    )
    has_proprioception = layout.OBSERVATION + PROPRIOCEPTION in info.features
    return (*images, PROPRIOCEPTION) if images and has_proprioception else (STATE,)


class ObservedFeatures(NamedTuple):
    """Observation features that are read, by their names in the data set."""

    vectors: tuple[str, ...]
    images: Mapping[str, tuple[int, ...]]
    """Shape of the images of each feature."""


def _remedy(folder: Path, name: str) -> str:
    """A sentence on how data get a feature that suites with cameras have; else empty."""
    if name == PROPRIOCEPTION:
        lacks, camera = f"{name}, which is recorded with images", "CAMERA"
    elif name.startswith(IMAGE):
        lacks, camera = "images", name.removeprefix(IMAGE)
    else:
        return ""
    return (
        f" It has no {lacks}; collect with --cameras, or add them: robomtl data add-camera"
        f" {folder} --cameras {camera} --out NEW (in the suite points, --images SIZE in"
        " place of --cameras)."
    )


def find_features(folder: Path, info: Info, observe: Sequence[str]) -> ObservedFeatures:
    """The features of a data set for names of observation features.

    Raises:
        InputError: If a name is unknown, or its feature is neither a vector nor a video.
    """
    # A later key takes a name from an earlier one.
    keys = sorted(info.features, key=lambda key: _precedence(info, key))
    named = {name: key for key, name in layout.observed(keys).items()}
    for name in observe:
        if name not in named and name != STATE:
            message = unknown(f"observation feature of {folder}", name, named)
            if not _has_pictures(info):
                message += _remedy(folder, name)
            raise InputError(message)
    keys = [named.get(name, layout.STATE) for name in observe]
    where = folder / layout.INFO
    images = {
        key: image_shape(where, key, info.features[key])
        for key in keys
        if key.startswith(_PICTURES)
    }
    return ObservedFeatures(tuple(key for key in keys if key not in images), images)


def _precedence(info: Info, key: str) -> int:
    """Precedence of a feature where several have the same name.

    A vector comes before images of that name, and images that are read before others.
    """
    if key.startswith(layout.IMAGES):
        return 1
    return 0 if info.dtype(key) in ("image", "video") else 2


def _has_pictures(info: Info) -> bool:
    return any(key.startswith(_PICTURES) for key in info.features)


class _Source:
    """The data files of a data set.

    Args:
        folder: Folder of the data set.
        info: Content of its ``meta/info.json``.
        index: Index of its episodes.
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
        self._sizes, self._images = sizes, images
        self._files = DataFiles(folder, info, index, sizes)
        self._clips = {key: read_clips(folder, info, index, key) for key in images}

    def states(self) -> list[tuple[str, int, int, int]]:
        """Name, size and times of each file of the data set, which reveal changes."""
        meta = [self._folder / layout.INFO, *self._index.listed_in]
        states = []
        videos = [path for clips in self._clips.values() for path in clips.files]
        for path in (*meta, *self._files.paths, *dict.fromkeys(videos)):
            name = str(path.relative_to(self._folder))
            state = inside(self._folder, name).stat()
            states.append((name, state.st_size, state.st_mtime_ns, state.st_ctime_ns))
        return states

    def _decode(self, key: str, keep: Keep) -> Iterator[int]:
        """Decodes the images of a camera; see ``decode_images``."""
        found = stretches(self._folder, self._index, self._clips[key])
        return decode_images(found, self._info, self._index, self._images[key], keep)

    def in_memory(self, check: Check) -> tuple[dict[str, NDArray[Any]], Marks]:
        """The features of all frames by name, and the marks of all episodes."""
        faults, parts = Faults(), list[Part]()
        count = self._info.total_frames
        columns = {n: np.empty((count, s), np.float32) for n, s in self._sizes.items()}
        for part in self._files.parts(faults):
            for name, column in columns.items():
                column[part.frames] = part.columns[name]
            parts.append(part._replace(columns={}))
        marks = joined(part.marks for part in parts)
        check(marks, faults)
        pictures = {
            key: np.empty((count, *shape), np.uint8)
            for key, shape in self._images.items()
        }
        for key, values in pictures.items():
            for _ in self._decode(key, values.__setitem__):
                pass
        return {**columns, **pictures}, marks

    def store(self, new: Path, check: Check) -> None:
        """Writes marks and images into a folder, and records unless they are filled later.

        They are filled later if statistics determine the marks.
        """
        self._check_room(new)
        marks = self._known_marks(check)
        if marks is None:
            marks = self._store_records(new, check)
        else:
            self._make_room(new)
        for key, shape in self._images.items():
            self._store_pictures(new, key, math.prod(shape))
        write_table(new / _MARKS, pa.table(marks._asdict()))

    def _check_room(self, new: Path) -> None:
        """Refuses images that exceed the free space of the disk."""
        count = self._info.total_frames
        size = count * sum(map(math.prod, self._images.values()))
        free = shutil.disk_usage(new).free
        if size > free:
            raise InputError(
                f"The images of {self._folder} ({', '.join(self._images)}; {count:,}"
                f" frames) need {size:,} bytes in the cache, and {new.parent} has"
                f" {free:,} free; set ROBOMTL_CACHE to a folder with more, or observe"
                " fewer cameras."
            )

    def _known_marks(self, check: Check) -> Marks | None:
        """The marks from statistics; None if the frames have to be read for them."""
        sizes, recorded = self._files.recorded, read_columns(self._info)
        marks = marks_by_statistics(self._index.listed_in, sizes, recorded)
        if marks is None:
            return None
        try:
            check(marks, Faults())
        except InputError:  # Reading the frames raises it with their file and step.
            return None
        return marks

    def _make_room(self, new: Path) -> None:
        """Creates a file for the records of all frames, without content."""
        frame = sum(self._sizes.values()) * np.float32().itemsize
        size = self._info.total_frames * frame
        paths = [self._folder / name for name, *_ in self.states()]
        check_size(self._folder, size, sum(path.stat().st_size for path in paths))
        with (new / file_of(VECTORS)).open("wb") as file:
            file.truncate(size)
        (new / FILLED).touch()

    def _store_records(self, new: Path, check: Check) -> Marks:
        """Writes records of all frames; returns the marks of their episodes."""
        faults, marks = Faults(), list[Marks]()
        with ExitStack() as stack:
            file = stack.enter_context((new / file_of(VECTORS)).open("wb"))
            title = f"Reading {self._folder.name} once"
            advance = stack.enter_context(progress(title, self._info.total_frames))
            for part in self._files.parts(faults):
                file.write(np.concatenate(list(part.columns.values()), axis=1).data)
                marks.append(part.marks)
                advance(part.frames.stop - part.frames.start)
        every = joined(marks)
        check(every, faults)
        return every

    def filling(self, kept: Path, marks: Marks, check: Check) -> Filling | None:
        """Fills missing records of a cache entry; None if it was written with all."""
        if not (kept / FILLED).exists():
            return None
        before = self.states()
        return Filling(
            folder=kept,
            origin=self._folder,
            files=self._files,
            marks=marks,
            check=check,
            changed=lambda: self.states() != before,
        )

    def _store_pictures(self, new: Path, key: str, size: int) -> None:
        """Writes the images of a camera, each of ``size`` bytes."""
        count = self._info.total_frames
        title = f"Decoding {key} once"
        with (new / file_of(key)).open("wb") as file, progress(title, count) as advance:

            def keep(row: int, image: Picture) -> None:
                os.pwrite(file.fileno(), np.ascontiguousarray(image).data, row * size)

            for decoded in self._decode(key, keep):
                advance(decoded)
