"""Writes episodes as a LeRobotDataset v3.0."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from robomtl.demonstrations import layout
from robomtl.demonstrations.feature_statistics import image_statistics, statistics
from robomtl.demonstrations.layout import Sizes
from robomtl.demonstrations.videos import VideoSeries
from robomtl.durable import replacing, write_json
from robomtl.parquet import write_table

_SAMPLE = 8  # Images of an episode that statistics are taken of, about.
_EPISODES_PER_GROUP = 500  # Rows that are held before they are written.

Columns = dict[str, NDArray[Any]]


class Recorded(NamedTuple):
    """One episode as it was recorded."""

    task: int
    """Index of the task."""
    variation: int
    state: NDArray[np.float32]
    """(step, state)."""
    action: NDArray[np.float32]
    """(step, action)."""
    reward: NDArray[np.float32]
    """(step,)."""
    success: NDArray[np.bool_]
    """(step,)."""
    others: Mapping[str, NDArray[Any]] = MappingProxyType({})
    """Observation features beside the state, by name; (step, …)."""


class Place(NamedTuple):
    """Which file of a series."""

    chunk: int
    file: int

    def next(self, files_per_chunk: int) -> "Place":
        """The file after this one."""
        if self.file == files_per_chunk - 1:
            return Place(self.chunk + 1, 0)
        return Place(self.chunk, self.file + 1)


class _Series:
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

    def __enter__(self) -> "_Series":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def place(self, size: int) -> Place:
        """Where the next table will lie.

        Args:
            size: Its size in memory [byte]; its share of the file is at most about this.
        """
        if self._writer is not None and self._file.tell() + size >= self._limit:
            self._close()
            self._place = self._place.next(layout.FILES_PER_CHUNK)
        return self._place

    def write(self, table: Any) -> None:
        """Adds a table as one row group, in the place just told."""
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


class Header(NamedTuple):
    """What a data set says besides its episodes."""

    instructions: Sequence[str]
    """Of each task, in the order of the task index; no two alike."""
    sizes: Sizes
    robot_type: str
    """What LeRobot calls the robot; the family of the suite."""
    robomtl: Mapping[str, Any]
    """The content of ``meta/robomtl.json``."""


def write(
    folder: Path,
    header: Header,
    episodes: Iterable[Recorded],
    *,
    file_mb: float = layout.FILE_MB,
) -> None:
    """Writes a data set; ``meta/info.json``, which makes it one, comes last.

    The same header and episodes give the same bytes.

    Args:
        folder: A new or empty folder.
        header: What it says besides its episodes.
        episodes: In the order in which they are to be stored; at least one.
        file_mb: Size at which a new file is begun [MB].
    """
    rows, whole, images = _write_data(folder, header, episodes, file_mb)
    _write_episodes(folder, rows, file_mb)
    _write_tasks(folder, header.instructions)
    described: dict[str, Any] = {n: statistics(values) for n, values in whole.items()}
    described |= {name: image_statistics(each) for name, each in images.items()}
    write_json(folder / layout.STATS, described)
    write_json(folder / layout.ROBOMTL, dict(header.robomtl))
    info = layout.info(
        header.sizes,
        robot_type=header.robot_type,
        episodes=len(rows),
        frames=len(whole["index"]),
        tasks=len(header.instructions),
    )
    write_json(folder / layout.INFO, info)


class _Cameras:
    """The images of all cameras, written as videos."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        shapes = {name: shape for name, shape in sizes.others if len(shape) == 3}
        self._series = {
            name: VideoSeries(
                folder,
                layout.column_of(name, shape),
                fps=sizes.fps,
                limit=layout.VIDEO_FILE_MB,
                video=sizes.video,
            )
            for name, shape in shapes.items()
        }
        self._columns = {name: layout.column_of(name, s) for name, s in shapes.items()}
        self._seen: dict[str, list[NDArray[Any]]] = {name: [] for name in shapes}

    def __enter__(self) -> "_Cameras":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        for series in self._series.values():
            if kind is None:
                series.close()
            else:
                series.discard(kind, error, trace)

    def add(self, episode: Recorded) -> dict[str, Any]:
        """Writes the images of an episode; returns columns of its row."""
        row: dict[str, Any] = {}
        for name, series in self._series.items():
            images = episode.others[name]
            some = images[:: max(len(images) // _SAMPLE, 1)]
            self._seen[name].append(some)
            row |= series.add(images)
            row |= _flat({self._columns[name]: image_statistics(some)})
        return row

    def sample(self) -> Columns:
        """Some images of each camera, by feature; (image, height, width, 3)."""
        return {
            self._columns[n]: np.concatenate(each) for n, each in self._seen.items()
        }


def _write_data(
    folder: Path, header: Header, episodes: Iterable[Recorded], file_mb: float
) -> tuple[list[dict[str, Any]], Columns, Columns]:
    """Writes the frames.

    Returns:
        A row for each episode, all columns in memory, and some images of each camera.
    """
    schema = layout.data_schema(layout.features(header.sizes))
    rows: list[dict[str, Any]] = []
    parts: list[Columns] = []
    first, cameras = 0, _Cameras(folder, header.sizes)
    with cameras, _Series(folder, layout.DATA_PATH, file_mb) as series:
        for episode in episodes:
            columns = _columns(episode, len(rows), first, header.sizes.fps)
            table = pa.table(
                [_array(columns[field.name], field.type) for field in schema],
                schema=schema,
            )
            place = series.place(table.nbytes)
            series.write(table)
            task = header.instructions[episode.task]
            rows.append(_row(columns, task, place) | cameras.add(episode))
            parts.append(columns)
            first += len(table)
    whole = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    return rows, whole, cameras.sample()


def _columns(episode: Recorded, index: int, first: int, fps: int) -> Columns:
    steps = np.arange(len(episode.state))
    return {
        layout.STATE: episode.state,
        **{
            layout.column_of(name, each.shape[1:]): each
            for name, each in episode.others.items()
            if each.ndim == 2
        },
        layout.ACTION: episode.action,
        layout.REWARD: episode.reward,
        layout.SUCCESS: episode.success,
        layout.VARIATION: np.full_like(steps, episode.variation),
        "timestamp": (steps / fps).astype(np.float32),
        "frame_index": steps,
        "episode_index": np.full_like(steps, index),
        "index": first + steps,
        "task_index": np.full_like(steps, episode.task),
    }


def _array(values: NDArray[Any], kind: Any) -> Any:
    if not pa.types.is_fixed_size_list(kind):
        return pa.array(values.reshape(-1), kind)
    flat = pa.array(np.ascontiguousarray(values).reshape(-1), kind.value_type)
    return pa.FixedSizeListArray.from_arrays(flat, type=kind)  # type: ignore[call-overload]


def _row(columns: Columns, task: str, place: Place) -> dict[str, Any]:
    index = columns["index"]
    row = {
        "episode_index": int(columns["episode_index"][0]),
        "tasks": [task],
        "length": len(index),
        "data/chunk_index": place.chunk,
        "data/file_index": place.file,
        "dataset_from_index": int(index[0]),
        "dataset_to_index": int(index[-1]) + 1,
    }
    described = {name: statistics(values) for name, values in columns.items()}
    return {**row, **_flat(described)}


def _flat(described: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"stats/{feature}/{name}": value
        for feature, values in described.items()
        for name, value in values.items()
    }


def _write_episodes(folder: Path, rows: list[dict[str, Any]], file_mb: float) -> None:
    with _Series(folder, layout.EPISODES_PATH, file_mb) as series:
        for start in range(0, len(rows), _EPISODES_PER_GROUP):
            table = pa.Table.from_pylist(rows[start : start + _EPISODES_PER_GROUP])
            place = series.place(table.nbytes)
            for kind, number in (("chunk", place.chunk), ("file", place.file)):
                column = np.full(len(table), number)
                table = table.append_column(
                    f"meta/episodes/{kind}_index", pa.array(column)
                )
            series.write(table)


def _write_tasks(folder: Path, instructions: Sequence[str]) -> None:
    table = pa.table(
        {"task_index": np.arange(len(instructions)), "task": list(instructions)}
    ).replace_schema_metadata(layout.pandas_index("task", "task_index"))
    write_table(folder / layout.TASKS, table)
