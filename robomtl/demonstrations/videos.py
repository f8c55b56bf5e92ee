"""Reads images of episodes from the videos of a LeRobotDataset v3.0."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.camera import Picture
from robomtl.demonstrations import layout
from robomtl.demonstrations.columns import integers, scalars
from robomtl.demonstrations.files import check_template, inside, paths_of
from robomtl.demonstrations.frame_file import rows_of
from robomtl.demonstrations.metadata import Index, Info
from robomtl.errors import InputError
from robomtl.evaluation.mp4 import load_av
from robomtl.execution.cores import cores
from robomtl.files.parquet import Parquet

_STRETCH = 2000  # Images that one thread decodes at a time.
_KEY = re.compile(r"[\w.-]+")


class Clips(NamedTuple):
    """Location of the images of a camera, one entry per episode."""

    files: tuple[Path, ...]
    """Video of each episode."""
    first: NDArray[np.int64]
    """Number of the episode's first image in its video; (episode,)."""


def image_shape(path: Path, key: str, described: Mapping[str, Any]) -> tuple[int, ...]:
    """Shape (height, width, 3) of the images of a feature of ``meta/info.json``.

    Raises:
        InputError: If the feature is not a video of colour images.
    """
    kind, shape = described.get("dtype"), described.get("shape")
    if kind != "video":
        raise InputError(
            f"{path}: feature '{key}' is of type {kind}; robomtl trains on images in"
            f" videos. Import the data set: robomtl import {path.parent.parent} --out NEW."
        )
    fault = shape_fault(shape)
    if fault:
        raise InputError(f"{path}: feature '{key}' {fault}.")
    return tuple(described["shape"])


def shape_fault(shape: Any) -> str:
    """The fault of a recorded shape of colour images, in words; empty if it has none."""
    sides = shape if isinstance(shape, list) else []
    if len(sides) != 3 or any(type(side) is not int for side in sides):
        return f"has shape {str(shape)[:80]}"
    if sides[2] != 3 or not all(0 < side <= 8192 for side in sides):
        return f"has shape {sides}; it must be (height, width, 3)"
    return ""


def read_clips(folder: Path, info: Info, index: Index, key: str) -> Clips:
    """The location of the images of a camera in videos.

    Raises:
        InputError: If ``meta/info.json`` or the episode files lack it, or it is invalid.
    """
    if not _KEY.fullmatch(key) or info.video_path is None:
        raise InputError(f"{folder / layout.INFO} does not say where '{key}' lies.")
    template = info.video_path.replace("{video_key}", key)
    check_template(template, folder / layout.INFO)
    columns = [
        f"videos/{key}/{n}" for n in ("chunk_index", "file_index", "from_timestamp")
    ]
    parts = []
    for path in index.listed_in:
        table = Parquet(path, columns).table()
        numbers = [integers(table, name, path) for name in columns[:2]]
        start = scalars(table, columns[2], path).astype(np.float64)
        if not (np.isfinite(start) & (start >= 0) & (start < 1e9)).all():
            raise InputError(
                f"{path}: column '{columns[2]}' does not contain times of a video."
            )
        parts.append((*numbers, np.round(start * info.fps).astype(np.int64)))
    chunk, file, first = (np.concatenate(each) for each in zip(*parts, strict=True))
    if min(chunk.min(), file.min()) < 0:
        raise InputError(f"{folder}/meta/episodes has a file of '{key}' below 0.")
    return Clips(paths_of(folder, template, chunk, file), first)


class Stretch(NamedTuple):
    """Neighbouring images of a video, which one thread decodes."""

    path: Path
    """Path of the video."""
    numbers: NDArray[np.int64]
    """Sorted numbers of the images in the video."""
    rows: NDArray[np.int64]
    """Index of the frame of each image."""


Keep = Callable[[int, Picture], None]
"""Stores the image of a frame, given the index of the frame."""


def stretches(folder: Path, index: Index, clips: Clips) -> list[Stretch]:
    """The images of a camera, in stretches that can be decoded at the same time.

    Raises:
        InputError: If a video is missing.
    """
    episodes_of: dict[Path, list[int]] = {}
    for episode, path in enumerate(clips.files):
        episodes_of.setdefault(path, []).append(episode)
    found = []
    for path, episodes in episodes_of.items():
        inside(folder, str(path.relative_to(folder)))
        length = index.length[episodes]
        numbers = rows_of(clips.first[episodes], length)
        order = np.argsort(numbers)
        numbers, rows = numbers[order], rows_of(index.start[episodes], length)[order]
        for at in range(0, len(order), _STRETCH):
            part = slice(at, at + _STRETCH)
            found.append(Stretch(path, numbers[part], rows[part]))
    return found


def decode_images(
    found: Iterable[Stretch],
    info: Info,
    index: Index,
    shape: tuple[int, ...],
    keep: Keep,
) -> Iterator[int]:
    """Decodes stretches in parallel; yields the number of images of each finished one.

    Args:
        found: Stretches to decode.
        info: Content of ``meta/info.json``, with the frame rate.
        index: Index of the episodes, for messages.
        shape: Expected shape of an image.
        keep: Called in threads, one for each core, with the index of a frame and its
            image.

    Raises:
        InputError: If a video is damaged, of another size, or too short.
    """

    def decode(stretch: Stretch) -> int:
        for row, image in images_of(stretch, info, index, shape):
            keep(row, image)
        return len(stretch.rows)

    with ThreadPoolExecutor(cores(), thread_name_prefix="decode") as threads:
        yield from threads.map(decode, found)


def images_of(
    stretch: Stretch, info: Info, index: Index, shape: tuple[int, ...]
) -> Iterator[tuple[int, Picture]]:
    """The images of a stretch, each with the index of its frame.

    Raises:
        InputError: If the video is damaged, of another size, or too short.
    """
    numbers = stretch.numbers.tolist()
    rows = dict(zip(numbers, stretch.rows.tolist(), strict=True))
    for number, image in _decoded(stretch.path, info.fps, shape, first=numbers[0]):
        row = rows.pop(number, None)
        if row is not None:
            yield row, image
        if not rows:
            return
    number, row = min(rows.items())
    episode = int(np.searchsorted(index.start, row, side="right")) - 1
    raise InputError(
        f"{stretch.path} has no image {number}, that of episode {episode}, step"
        f" {row - index.start[episode]}."
    )


def count_images(path: Path) -> int:
    """The number of images in a video, by its packets; nothing is decoded.

    Raises:
        InputError: If the video is damaged.
    """
    av = load_av()
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            return sum(1 for packet in container.demux(video=0) if packet.size)
    except (av.error.FFmpegError, IndexError) as error:
        raise InputError(f"{path} is damaged or cut short: {error}.") from error


def _decoded(
    path: Path, fps: float, shape: tuple[int, ...], *, first: int
) -> Iterator[tuple[int, Picture]]:
    """The images of a video from a number on, each with its number, from its time."""
    av = load_av()
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if first:  # Decoding begins at the last keyframe before it.
                container.seek(int(first / fps * av.time_base))
            for frame in container.decode(video=0):
                number = round(float(frame.time or 0) * fps)
                if number < first:
                    continue
                if (frame.height, frame.width) != shape[:2]:
                    raise InputError(
                        f"{path} has images of {frame.height} x {frame.width}, and"
                        f" {layout.INFO} says {shape[0]} x {shape[1]}."
                    )
                image: Picture = frame.to_ndarray(format="rgb24")
                yield number, image
    except (av.error.FFmpegError, IndexError) as error:
        raise InputError(f"{path} is damaged or cut short: {error}.") from error
