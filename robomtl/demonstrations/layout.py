"""Names, types and paths of a LeRobotDataset v3.0 on disk.

Verified against LeRobot 0.6.1 and its main branch at commit 7427f318 (August 2026):
``src/lerobot/datasets/utils.py`` (paths and ``DatasetInfo``), ``feature_utils.py`` (column
types), ``dataset_writer.py`` (data files), ``dataset_metadata.py`` (tasks and episodes),
``compute_stats.py`` (statistics), and ``_save_episode_video`` of the writer (videos). A data
set contains:

* ``data/chunk-000/file-000.parquet``: one row per frame, one column per feature, one row
  group per episode. Vectors are fixed-size lists; features of shape (1,) are scalars.
* ``meta/episodes/chunk-000/file-000.parquet``: one row per episode: its length, tasks,
  position in the data and statistics.
* ``videos/observation.image.CAMERA/chunk-000/file-000.mp4``: images of several episodes,
  one after the other; the episode files record the time at which each begins.
* ``meta/tasks.parquet``: instructions (the pandas index ``task``) and ``task_index``.
* ``meta/stats.json``: statistics of each feature over all frames.
* ``meta/info.json``: features, counts and path templates.

robomtl adds ``meta/robomtl.json``, which LeRobot ignores: names of tasks, the suite, and
the request to its experts.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from robomtl.files.folder_kinds import INFO as INFO
from robomtl.pictures import IMAGE

VERSION = "v3.0"
"""``codebase_version`` of ``meta/info.json``."""

STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
ROBOMTL = "meta/robomtl.json"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"

OBSERVATION = "observation."
"""Prefix of observation features."""
IMAGES = f"{OBSERVATION}images."
"""Prefix of image features, before the name of the camera."""
STATE = f"{OBSERVATION}state"
ACTION = "action"
REWARD = "next.reward"
SUCCESS = "next.success"
VARIATION = "variation"
TASK_INDEX = "task_index"

FILES_PER_CHUNK = 1000
FILE_MB = 100  # Size at which a new file is begun; LeRobot's default.
VIDEO_FILE_MB = 200  # The same for videos; LeRobot's default.
MOST_EPISODES = MOST_TASKS = 1_000_000  # Limits of a data set that is read.
MOST_FILES = 500_000  # Limit of the files of one kind.

Features = Mapping[str, Mapping[str, Any]]


Video = Literal["h264", "lossless"]
"""Encoding of videos: ``h264`` is lossy and smaller, ``lossless`` is exact."""


def usual_video(options: Mapping[str, Any]) -> Video:
    """Default encoding: ``lossless`` if the options name cameras, else ``h264``.

    H.264 with colours at half the resolution turns a red goal of two pixels grey, while a
    policy that acts sees the simulator's own images.

    Args:
        options: Options of the suite.
    """
    return "lossless" if options.get("cameras") else "h264"


class Sizes(NamedTuple):
    """The sizes and rates that every episode of a data set shares."""

    state: int
    """Length of a state."""
    action: int
    """Length of an action."""
    fps: int
    """Steps per second of simulated time [1/s]."""
    others: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """Name and shape of each observation feature besides the state: (length,) of a vector,
    (height, width, 3) of an image."""
    video: Video = "h264"
    """Encoding of images."""
    marks: tuple[str, ...] = (REWARD, SUCCESS, VARIATION)
    """Recorded features of a step, besides the observation and the action."""


def features(sizes: Sizes) -> dict[str, dict[str, Any]]:
    """The features of a frame, as ``meta/info.json`` describes them.

    ``timestamp`` counts seconds from the episode's start; ``index`` counts frames over the
    whole data set. ``next.reward`` and ``next.success`` are returned by the step that
    executes the frame's action.
    """
    marks = {REWARD: "float32", SUCCESS: "bool", VARIATION: "int64"}
    return {
        STATE: _feature("float32", sizes.state, _names("state", sizes.state)),
        **{column_of(n, shape): _other(n, shape, sizes) for n, shape in sizes.others},
        ACTION: _feature("float32", sizes.action, _names("action", sizes.action)),
        **{name: _feature(marks[name]) for name in sizes.marks},
        "timestamp": _feature("float32"),
        "frame_index": _feature("int64"),
        "episode_index": _feature("int64"),
        "index": _feature("int64"),
        "task_index": _feature("int64"),
    }


def data_schema(described: Features) -> Any:
    """The arrow schema of the data files: all features but videos, as LeRobot requires."""
    columns = [(n, _column(f)) for n, f in described.items() if f["dtype"] != "video"]
    return pa.schema(columns)


def info(
    sizes: Sizes, *, robot_type: str, episodes: int, frames: int, tasks: int
) -> dict[str, Any]:
    """The content of ``meta/info.json``."""
    return {
        "codebase_version": VERSION,
        "robot_type": robot_type,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": FILES_PER_CHUNK,
        "data_files_size_in_mb": FILE_MB,
        "video_files_size_in_mb": VIDEO_FILE_MB,
        "fps": sizes.fps,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH if any(len(s) == 3 for _, s in sizes.others) else None,
        "features": features(sizes),
    }


def pandas_index(index: str, column: str) -> dict[bytes, bytes]:
    """Schema metadata that makes pandas use a column of strings as the index.

    Args:
        index: Name of the column of strings.
        column: Name of the other column, of int64.
    """

    def entry(name: str, kind: str, numpy_kind: str) -> dict[str, Any]:
        return {
            "name": name,
            "field_name": name,
            "pandas_type": kind,
            "numpy_type": numpy_kind,
            "metadata": None,
        }

    described = {
        "index_columns": [index],
        "column_indexes": [],
        "columns": [
            entry(column, "int64", "int64"),
            entry(index, "unicode", "object"),
        ],
        "pandas_version": "2.2.3",
    }
    return {b"pandas": json.dumps(described).encode()}


def column_of(name: str, shape: Sequence[int]) -> str:
    """Name of the LeRobot feature that stores an observation feature."""
    named = len(shape) == 3 and not name.startswith(IMAGE)
    return f"{IMAGES if named else OBSERVATION}{name}"


def observed(columns: Iterable[str]) -> dict[str, str]:
    """Names of observation features, by the LeRobot features that store them."""
    return {
        name: name.removeprefix(IMAGES).removeprefix(OBSERVATION)
        for name in columns
        if name.startswith(OBSERVATION)
    }


def _other(name: str, shape: tuple[int, ...], sizes: Sizes) -> dict[str, Any]:
    if len(shape) == 1:
        return _feature("float32", shape[0], _names(name, shape[0]))
    height, width, channels = shape
    return {
        "dtype": "video",
        "shape": list(shape),
        "names": ["height", "width", "channels"],
        "info": {
            "video.height": height,
            "video.width": width,
            "video.channels": channels,
            "video.codec": "h264",
            "video.pix_fmt": pixel_format(shape, sizes.video),
            "video.is_depth_map": False,
            "video.fps": sizes.fps,
            "has_audio": False,
        },
    }


def pixel_format(shape: Sequence[int], video: Video) -> str:
    """FFmpeg's pixel format for videos of this image shape; 4:2:0 needs even sides."""
    if video == "lossless":
        return "gbrp"
    return "yuv444p" if shape[0] % 2 or shape[1] % 2 else "yuv420p"


def _feature(
    dtype: str, size: int = 1, names: list[str] | None = None
) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [size], "names": names}


def _names(stem: str, size: int) -> list[str]:
    return [f"{stem}_{i}" for i in range(size)]


def _column(feature: Mapping[str, Any]) -> Any:
    scalar = pa.from_numpy_dtype(feature["dtype"])
    (size,) = feature["shape"]
    # LeRobot reads features of shape (1,) as scalars, never as lists.
    return scalar if size == 1 else pa.list_(pa.field("element", scalar), size)
