"""Writes episodes as a LeRobotDataset v3.0."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from robomtl.demonstrations import layout
from robomtl.demonstrations.camera_series import CameraSeries
from robomtl.demonstrations.feature_statistics import (
    RunningStatistics,
    statistics,
    stats_columns,
)
from robomtl.demonstrations.layout import Sizes
from robomtl.demonstrations.table_series import FileNumber, TableSeries
from robomtl.files.durable import write_json
from robomtl.files.parquet import write_table
from robomtl.progress import Advance, progress

_EPISODES_PER_GROUP = 500  # Rows that are kept in memory before they are written.

Columns = dict[str, NDArray[Any]]


class Recorded(NamedTuple):
    """A recorded episode."""

    task: int
    """Index of the task."""
    variation: int
    """Variation of the task; -1 if unknown."""
    state: NDArray[np.float32]
    """(step, state)."""
    action: NDArray[np.float32]
    """(step, action)."""
    reward: NDArray[np.float32]
    """(step,)."""
    success: NDArray[np.bool_]
    """(step,)."""
    others: Mapping[str, NDArray[Any]] = MappingProxyType({})
    """Observation features besides the state, by name; (step, …)."""


class Header(NamedTuple):
    """Header of a data set, which describes all but its episodes."""

    instructions: Sequence[str]
    """Instruction of each task, in the order of the task index; no two are equal."""
    sizes: Sizes
    robot_type: str
    """LeRobot's ``robot_type``: the family of the suite, or the name of the robot."""
    robomtl: Mapping[str, Any]
    """Content of ``meta/robomtl.json``; if empty, the file is left out."""


def write(
    folder: Path,
    header: Header,
    episodes: Iterable[Recorded],
    *,
    file_mb: float = layout.FILE_MB,
) -> None:
    """Writes a data set; ``meta/info.json``, which completes it, comes last.

    The same header and episodes give the same bytes.

    Args:
        folder: A new or empty folder.
        header: Header of the data set.
        episodes: At least one episode, in the order of the data set.
        file_mb: Size at which a new file is begun [MB].
    """
    written = _Written(folder, header, file_mb)
    with written:
        for episode in episodes:
            written.add(episode)
        written.flush()
    _write_tasks(folder, header.instructions)
    write_json(folder / layout.STATS, written.described())
    if header.robomtl:
        write_json(folder / layout.ROBOMTL, dict(header.robomtl))
    info = layout.info(
        header.sizes,
        robot_type=header.robot_type,
        episodes=written.episodes,
        frames=written.frames,
        tasks=len(header.instructions),
    )
    write_json(folder / layout.INFO, info)


def write_shown(
    folder: Path, header: Header, episodes: Iterable[Recorded], total: int
) -> None:
    """Writes a data set, and shows the progress; see ``write``.

    Args:
        folder: A new or empty folder.
        header: Header of the data set.
        episodes: At least one episode, in the order of the data set.
        total: Number of episodes.
    """
    with progress("Writing", total) as advance:
        write(folder, header, _counted(episodes, advance))


def _counted(episodes: Iterable[Recorded], advance: Advance) -> Iterator[Recorded]:
    """Yields the episodes and counts each as done when the next one is requested."""
    for episode in episodes:
        yield episode
        advance()


class _Written:
    """Writes the files of frames and episodes, one episode at a time.

    Statistics and the rows of a few episodes are kept in memory, but no frames.
    """

    def __init__(self, folder: Path, header: Header, file_mb: float) -> None:
        described = layout.features(header.sizes)
        self._header, self._schema = header, layout.data_schema(described)
        self._cameras = CameraSeries(folder, header.sizes)
        self._data = TableSeries(folder, layout.DATA_PATH, file_mb)
        self._listed = TableSeries(folder, layout.EPISODES_PATH, file_mb)
        self._statistics = {name: RunningStatistics() for name in self._schema.names}
        self._rows: list[dict[str, Any]] = []
        self._stack = ExitStack()
        self.episodes = 0
        """Number of episodes written so far."""
        self.frames = 0
        """Number of frames written so far."""

    def __enter__(self) -> "_Written":
        for each in (self._listed, self._data, self._cameras):
            self._stack.enter_context(each)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, episode: Recorded) -> None:
        """Writes an episode."""
        fps = self._header.sizes.fps
        every = _columns(episode, self.episodes, self.frames, fps)
        columns = {name: every[name] for name in self._schema.names}
        table = pa.table(
            [_array(columns[field.name], field.type) for field in self._schema],
            schema=self._schema,
        )
        number = self._data.file_for(table.nbytes)
        self._data.write(table)
        task = self._header.instructions[episode.task]
        self._rows.append(
            _row(columns, task, number) | self._cameras.add(episode.others)
        )
        for name, each in self._statistics.items():
            each.add(columns[name])
        self.episodes += 1
        self.frames += len(table)
        if len(self._rows) == _EPISODES_PER_GROUP:
            self.flush()

    def described(self) -> dict[str, Any]:
        """Statistics of every feature over all frames."""
        statistics = {name: each.result() for name, each in self._statistics.items()}
        return {**statistics, **self._cameras.described()}

    def flush(self) -> None:
        """Writes the rows that are kept in memory; must be called after the last episode."""
        if not self._rows:
            return
        table = pa.Table.from_pylist(self._rows)
        number = self._listed.file_for(table.nbytes)
        for kind, value in (("chunk", number.chunk), ("file", number.file)):
            column = pa.array(np.full(len(table), value))
            table = table.append_column(f"meta/episodes/{kind}_index", column)
        self._listed.write(table)
        self._rows.clear()


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


def _row(columns: Columns, task: str, number: FileNumber) -> dict[str, Any]:
    index = columns["index"]
    row = {
        "episode_index": int(columns["episode_index"][0]),
        "tasks": [task],
        "length": len(index),
        "data/chunk_index": number.chunk,
        "data/file_index": number.file,
        "dataset_from_index": int(index[0]),
        "dataset_to_index": int(index[-1]) + 1,
    }
    described = {name: statistics(values) for name, values in columns.items()}
    return {**row, **stats_columns(described)}


def _write_tasks(folder: Path, instructions: Sequence[str]) -> None:
    table = pa.table(
        {"task_index": np.arange(len(instructions)), "task": list(instructions)}
    ).replace_schema_metadata(layout.pandas_index("task", "task_index"))
    write_table(folder / layout.TASKS, table)
