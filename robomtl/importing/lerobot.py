"""Reads LeRobot data sets of versions 2.0, 2.1 and 3.0; images in videos or in parquet."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from robomtl.demonstrations import layout
from robomtl.demonstrations.columns import integers, vectors
from robomtl.demonstrations.files import inside
from robomtl.demonstrations.videos import (
    Clips,
    Stretch,
    count_images,
    images_of,
    shape_fault,
)
from robomtl.errors import InputError
from robomtl.files.parquet import Parquet
from robomtl.importing.lerobot_meta import clips_of, read_meta
from robomtl.importing.pixels import decoded
from robomtl.importing.source import (
    COMPONENTS,
    About,
    Column,
    Episode,
    by_short_name,
    check_length,
)
from robomtl.pictures import IMAGE, PROPRIOCEPTION

_ORDER = {"timestamp", "frame_index", "episode_index", "index", "task_index"}
_NUMBERS = {
    f"{kind}{bits}" for kind in ("float", "int", "uint") for bits in (8, 16, 32, 64)
}


class LeRobot:
    """Episodes of a LeRobot data set.

    Args:
        folder: Folder of the data set.

    Raises:
        InputError: If the data set is damaged, or of a version that is not read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._meta = read_meta(folder)
        self._clips: dict[str, Clips] = {}
        self._counts: dict[Path, int] = {}
        self._kept: tuple[Path, tuple[str, ...], Any] | None = None
        self.about = self._about()
        """Metadata of the data set."""

    def _about(self) -> About:
        """Metadata from the ``meta`` folder."""
        meta = self._meta
        columns, wrong = dict[str, Column](), dict[str, str]()
        for name, described in meta.info.features.items():
            if name in _ORDER:
                continue
            try:
                columns[name] = _column(described)
            except InputError as error:
                wrong[name] = str(error)
        counts, robot = Counter(meta.tasks.values()), meta.info.robot_type or ""
        return About(
            format=f"LeRobotDataset {meta.version}",
            columns=columns,
            usual=_usual(columns),
            lengths=meta.index.length.tolist(),
            robot="" if robot == "unknown" else robot,
            fps=meta.info.fps,
            unusable=wrong,
            duplicated=[each for each, count in counts.items() if count > 1],
            filters={},
        )

    def read(self, number: int, columns: Sequence[str]) -> Episode:
        """The named columns of an episode; see ``Source``."""
        known = self.about.columns
        filed = tuple(name for name in columns if not self._is_video(name))
        path, table = self._frames(number, filed)
        found = dict[str, NDArray[Any]]()
        for name in columns:
            shape = known[name].shape
            if known[name].kind == "vector":
                found[name] = vectors(table, name, shape[0], path)
                continue
            found[name] = np.empty((len(table), *shape), np.uint8)
            for row, image in enumerate(self._images(number, name, path, table)):
                found[name][row] = image
        return Episode(self._instruction(number, path, table), found)

    def check_images(self, number: int, columns: Sequence[str]) -> None:
        """Refuses an episode whose videos lack images, or have too many in version 2.

        See ``Source``.
        """
        length = int(self._meta.index.length[number])
        for name in columns:
            if not self._is_video(name):
                continue
            path, first = self._clip(number, name)
            if path not in self._counts:
                inside(self._folder, str(path.relative_to(self._folder)))
                self._counts[path] = count_images(path)
            count, end = self._counts[path], first + length
            alone = self._meta.version != layout.VERSION
            if count < end or alone and count != end:
                raise InputError(
                    f"{path} has {count} images, and episode {number} needs those from"
                    f" {first} to {end - 1}."
                )

    def _is_video(self, name: str) -> bool:
        return self._meta.info.dtype(name) == "video"

    def _clip(self, number: int, key: str) -> tuple[Path, int]:
        """The video of an episode, and the number of the episode's first image in it."""
        if key not in self._clips:
            self._clips[key] = clips_of(self._folder, self._meta, key)
        clips = self._clips[key]
        return clips.files[number], int(clips.first[number])

    def _frames(self, number: int, names: tuple[str, ...]) -> tuple[Path, Any]:
        """Path of an episode's data file, and its rows; the latest file stays in memory."""
        index = self._meta.index
        path = index.files[number]
        if self._kept is None or self._kept[:2] != (path, names):
            inside(self._folder, str(path.relative_to(self._folder)))
            every = dict.fromkeys((*names, "episode_index", layout.TASK_INDEX))
            self._kept = None  # The previous file is released first.
            self._kept = path, names, Parquet(path, [*every]).table()
        table, first = self._kept[2], self._first[path]
        if len(table) != self._rows[path]:
            raise InputError(
                f"{path} contains {len(table)} frames, and the data set lists"
                f" {self._rows[path]}."
            )
        length = int(index.length[number])
        part = table.slice(int(index.start[number]) - first, length)
        if (integers(part, "episode_index", path) != number).any():
            raise InputError(f"{path} does not contain the frames of episode {number}.")
        return path, part

    @cached_property
    def _first(self) -> Mapping[Path, int]:
        """Number of the first frame of each data file."""
        index = self._meta.index
        first = dict[Path, int]()
        for path, start in zip(index.files, index.start.tolist(), strict=True):
            first.setdefault(path, start)
        return first

    @cached_property
    def _rows(self) -> Mapping[Path, int]:
        """Number of frames of each data file."""
        index, rows = self._meta.index, dict[Path, int]()
        for path, length in zip(index.files, index.length.tolist(), strict=True):
            rows[path] = rows.get(path, 0) + length
        return rows

    def _instruction(self, number: int, path: Path, table: Any) -> str:
        task = integers(table, layout.TASK_INDEX, path)
        changed = np.flatnonzero(task != task[0])
        if len(changed):
            raise InputError(
                f"{path}: episode {number} changes its task at step {changed[0]}; robomtl"
                " needs one task per episode."
            )
        if int(task[0]) not in self._meta.tasks:
            raise InputError(
                f"{path}: episode {number} has task_index {task[0]}, which the list of"
                " tasks does not name."
            )
        return " ".join(self._meta.tasks[int(task[0])].split())

    def _images(
        self, number: int, name: str, path: Path, table: Any
    ) -> Iterator[NDArray[np.uint8]]:
        shape, length = self.about.columns[name].shape, len(table)
        if self._is_video(name):
            video, first = self._clip(number, name)
            inside(self._folder, str(video.relative_to(self._folder)))
            index, rows = self._meta.index, np.arange(length)
            stretch = Stretch(video, first + rows, index.start[number] + rows)
            found = images_of(stretch, self._meta.info, index, shape)
            yield from (image for _, image in found)
            return
        column = table[name].combine_chunks()
        if (
            not pa.types.is_struct(column.type)
            or column.type.get_field_index("bytes") < 0
        ):
            raise InputError(
                f"{path}: column '{name}' contains {column.type}, not images."
            )
        check_length(str(path), name, len(column), length)
        for row, content in enumerate(column.field("bytes")):
            yield decoded(content.as_py(), f"{path}: row {row} of '{name}'", shape)


def _column(described: Any) -> Column:
    """A feature of ``meta/info.json`` as a column.

    Raises:
        InputError: If the feature is neither a vector of numbers nor a colour image; the
            message is a predicate, which follows the name of the feature.
    """
    kind = described.get("dtype") if isinstance(described, dict) else None
    shape = described.get("shape") if isinstance(described, dict) else None
    if kind in ("video", "image"):
        sides = shape if isinstance(shape, list) else []
        if len(sides) == 3 and sides[0] == 3 and sides[2] != 3:  # Colours come first.
            sides = [*sides[1:], 3]
        fault = shape_fault(sides)
        if fault:
            raise InputError(fault)
        return Column("image", tuple(sides))
    sizes = shape if isinstance(shape, list) else []
    if str(kind) in _NUMBERS | {"bool"} and len(sizes) == 1 and type(sizes[0]) is int:
        if 0 < sizes[0] <= COMPONENTS:
            return Column("vector", (sizes[0],))
    raise InputError(f"has {str(kind)[:40]} of shape {str(shape)[:80]} per frame")


def _usual(columns: Mapping[str, Column]) -> dict[str, tuple[str, ...]]:
    own = {"action": layout.ACTION, "reward": layout.REWARD, "success": layout.SUCCESS}
    own = {name: key for name, key in own.items() if key in columns}
    short = {
        key: name.removeprefix(IMAGE) for key, name in layout.observed(columns).items()
    }
    usual = by_short_name(short, columns, taken=[*own])
    pictures = any(name.startswith(IMAGE) for name in usual)
    if layout.STATE in columns and pictures:  # LeRobot's state is of the robot alone.
        usual.setdefault(PROPRIOCEPTION, (layout.STATE,))
    return usual | {name: (key,) for name, key in own.items()}
