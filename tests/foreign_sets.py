"""Small data sets in the layouts of LeRobot 2.1, robomimic, LIBERO and Minari."""

import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

LENGTHS = (6, 4, 7)
WORDS = ("lift the cube", "open the door", "lift the cube")
SHAPE = (32, 48, 3)


class Frames(NamedTuple):
    """The content of an episode, equal in all formats."""

    state: Any
    force: Any
    action: Any
    success: Any
    images: Any


def frames(number: int) -> Frames:
    generator = np.random.default_rng(number)
    length = LENGTHS[number]
    images = np.zeros((length, *SHAPE), np.uint8)
    images[:] = generator.integers(0, 255, (length, 1, 1, 3), np.uint8)
    return Frames(
        state=generator.standard_normal((length, 3)).astype(np.float32),
        force=generator.standard_normal(length).astype(np.float32),
        action=generator.uniform(-1, 1, (length, 2)).astype(np.float32),
        success=(np.arange(length) == length - 1) & (number != 1),
        images=images,
    )


def encoded(image: Any, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def write_video(path: Path, images: Any, fps: int = 10) -> None:
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        options = {"qp": "0", "preset": "ultrafast"}
        stream = container.add_stream("libx264rgb", rate=Fraction(fps), options=options)
        stream.height, stream.width, stream.pix_fmt = *images.shape[1:3], "rgb24"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


def write_lines(path: Path, entries: Any) -> None:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in entries))


def lerobot(folder: Path, *, images: str | None = None, **changes: Any) -> Path:
    """LeRobot 2.1, with images as ``video`` or as ``image`` in the parquet files."""
    (folder / "meta").mkdir(parents=True)
    features: dict[str, Any] = {
        "observation.state": {"dtype": "float32", "shape": [3], "names": None},
        "observation.force": {"dtype": "float32", "shape": [1], "names": None},
        "action": {"dtype": "float32", "shape": [2], "names": None},
        "next.success": {"dtype": "bool", "shape": [1], "names": None},
        "note": {"dtype": "string", "shape": [1], "names": None},
    }
    if images:
        names = ["height", "width", "channels"]
        seen = {"dtype": images, "shape": [*SHAPE], "names": names}
        features["observation.images.top"] = seen
    info = {
        "codebase_version": "v2.1",
        "robot_type": "so100",
        "total_episodes": len(LENGTHS),
        "total_frames": sum(LENGTHS),
        "total_tasks": 2,
        "total_videos": 0,
        "total_chunks": 1,
        "chunks_size": 1000,
        "fps": 10,
        "splits": {"train": "0:3"},
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/"
        "episode_{episode_index:06d}.mp4",
        "features": features,
    }
    (folder / "meta/info.json").write_text(json.dumps({**info, **changes}))
    tasks = {words: index for index, words in enumerate(dict.fromkeys(WORDS))}
    lines = [{"task_index": index, "task": words} for words, index in tasks.items()]
    write_lines(folder / "meta/tasks.jsonl", lines)
    listed = [
        {"episode_index": n, "tasks": [WORDS[n]], "length": length}
        for n, length in enumerate(LENGTHS)
    ]
    write_lines(folder / "meta/episodes.jsonl", listed)
    write_lines(folder / "meta/episodes_stats.jsonl", [])
    for number in range(len(LENGTHS)):
        _lerobot_episode(folder, number, tasks[WORDS[number]], images)
    return folder


def _lerobot_episode(folder: Path, number: int, task: int, images: str | None) -> None:
    each, length = frames(number), LENGTHS[number]
    steps = np.arange(length)

    def lists(values: Any) -> Any:
        flat = pa.array(values.reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])

    columns: dict[str, Any] = {
        "observation.state": lists(each.state),
        "observation.force": each.force,
        "action": lists(each.action),
        "next.success": each.success,
        "note": ["none"] * length,
        "timestamp": (steps / 10).astype(np.float32),
        "frame_index": steps,
        "episode_index": np.full(length, number),
        "index": sum(LENGTHS[:number]) + steps,
        "task_index": np.full(length, task),
    }
    if images == "image":
        name = f"frame_{number:06d}.png"
        pictures = [{"bytes": encoded(i), "path": name} for i in each.images]
        kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
        columns["observation.images.top"] = pa.array(pictures, kind)
    if images == "video":
        key = f"videos/chunk-000/observation.images.top/episode_{number:06d}.mp4"
        write_video(folder / key, each.images)
    path = folder / f"data/chunk-000/episode_{number:06d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def robomimic(path: Path) -> Path:
    """A file as robomimic's ``dataset_states_to_obs.py`` writes it."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        kwargs = {"robots": ["Panda"], "control_freq": 20, "reward_shaping": False}
        env = {"env_name": "PickPlaceCan", "type": 1, "env_kwargs": kwargs}
        data.attrs["env_args"] = json.dumps(env, indent=4)
        data.attrs["total"] = sum(LENGTHS)
        for number in (1, 0, 2):  # HDF5 lists demo_10 before demo_2.
            each = frames(number)
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = LENGTHS[number]
            demo.attrs["model_file"] = "<mujoco/>"
            demo["actions"] = each.action.astype(np.float64)
            demo["rewards"] = each.success.astype(np.float64)
            demo["dones"] = each.success.astype(np.int64)
            demo["states"] = np.zeros((LENGTHS[number], 71))
            demo["obs/robot0_eef_pos"] = each.state.astype(np.float64)
            demo["obs/robot0_eef_quat"] = np.ones((LENGTHS[number], 4))
            demo["obs/robot0_gripper_qpos"] = each.force[:, None]
            demo["obs/object"] = each.state[:, :2]
            demo["next_obs/object"] = each.state[:, :2]
            demo.create_dataset(
                "obs/agentview_image", data=each.images, compression="gzip"
            )
        file["mask/train"] = np.array(["demo_0", "demo_2"], dtype="S")
    return path


def libero(folder: Path) -> Path:
    """A folder with one file per task, as LIBERO's ``create_dataset.py`` writes it."""
    folder.mkdir()
    for number, words in ((0, WORDS[0]), (1, WORDS[1])):
        with h5py.File(folder / f"task_{number}_demo.hdf5", "w") as file:
            data, each = file.create_group("data"), frames(number)
            data.attrs["problem_info"] = json.dumps({"language_instruction": [*words]})
            data.attrs["env_args"] = json.dumps({"env_name": "Libero_Kitchen"})
            demo = data.create_group("demo_0")
            demo["actions"], demo["rewards"] = (
                each.action,
                each.success.astype(np.uint8),
            )
            demo["obs/ee_states"], demo["obs/gripper_states"] = each.state, each.state
            demo["obs/agentview_rgb"] = each.images
    return folder


def space(kind: str = "float32", *shape: int, bound: float = np.inf) -> dict[str, Any]:
    """A Box as Minari's ``serialize_space`` gives it."""
    ends = {
        end: np.full(shape, value).tolist()
        for end, value in (("low", 0 if kind == "uint8" else -bound), ("high", bound))
    }
    return {"type": "Box", "dtype": kind, "shape": [*shape], **ends}


def minari(folder: Path, *, bound: float = 1.0, storage: str = "hdf5") -> Path:
    """A data set as one of Minari's storages writes it."""
    data = folder / "data"
    data.mkdir(parents=True)
    seen = {
        "observation": space("float64", 3),
        "achieved_goal": space("float64", 2),
        "desired_goal": space("float64", 2),
        "pixels": space("uint8", *SHAPE, bound=255),
        "mission": {"type": "Text", "max_length": 9, "min_length": 1, "charset": "a"},
    }
    metadata = {
        "total_episodes": len(LENGTHS),
        "total_steps": sum(LENGTHS),
        "data_format": storage,
        "jpeg_encoding": True,
        "observation_space": json.dumps({"type": "Dict", "subspaces": seen}),
        "action_space": json.dumps(space("float32", 2, bound=bound)),
        "env_spec": json.dumps({"id": "AdroitHandDoor-v1", "kwargs": {"a": np.inf}}),
        "minari_version": "0.5.4",
    }
    (data / "metadata.json").write_text(json.dumps(metadata))
    if storage == "hdf5":
        with h5py.File(data / "main_data.hdf5", "w", track_order=True) as file:
            for number in range(len(LENGTHS)):
                _minari_episode(file.create_group(f"episode_{number}"), number, bound)
        return folder
    for number, length in enumerate(LENGTHS):
        (data / str(number)).mkdir()
        said = json.dumps({"id": number, "total_steps": length})
        (data / f"{number}/metadata.json").write_text(said)
        write_columns(data / f"{number}/part-0.{storage}", minari_columns(number))
    return folder


def minari_columns(number: int) -> Any:
    """The table of an episode; all columns include a row for the last observation."""
    each, rows = frames(number), LENGTHS[number] + 1

    def padded(values: Any) -> Any:
        flat = np.concatenate([values, np.zeros_like(values[:1])])
        if flat.ndim == 1:
            return pa.array(flat)
        return pa.FixedSizeListArray.from_arrays(
            pa.array(flat.reshape(-1)), flat.shape[1]
        )

    pictures = [encoded(image, "JPEG") for image in each.images]
    seen = {
        "observation": padded(each.state.astype(np.float64)),
        "achieved_goal": padded(np.zeros((rows - 1, 2))),
        "desired_goal": padded(np.ones((rows - 1, 2))),
        "pixels": pa.array([*pictures, pictures[-1]]),
        "mission": pa.array(["a"] * rows),
    }
    success = pa.array([False, *each.success.tolist()])
    columns = {
        "observations": pa.StructArray.from_arrays([*seen.values()], names=[*seen]),
        "actions": padded(each.action),
        "rewards": padded(each.force.astype(np.float64)),
        "terminations": padded(each.success),
        "truncations": padded(~each.success),
        "infos": pa.StructArray.from_arrays([success], names=["success"]),
    }
    return pa.table(columns)


def write_columns(path: Path, table: Any, compression: str | None = None) -> None:
    """Writes an Arrow or Parquet file."""
    if path.suffix == ".parquet":
        pq.write_table(table, path)
        return
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.OSFile(str(path), "wb") as file:
        with pa.ipc.new_file(file, table.schema, options=options) as writer:
            writer.write_table(table)


def _minari_episode(group: Any, number: int, bound: float) -> None:
    each = frames(number)

    def one_more(values: Any) -> Any:
        return np.concatenate([values, values[-1:]])

    group.attrs["id"], group.attrs["total_steps"] = number, LENGTHS[number]
    group["observations/observation"] = one_more(each.state.astype(np.float64))
    group["observations/achieved_goal"] = one_more(np.zeros((LENGTHS[number], 2)))
    group["observations/desired_goal"] = one_more(np.ones((LENGTHS[number], 2)))
    pictures = [np.frombuffer(encoded(i, "JPEG"), np.uint8) for i in each.images]
    rows = np.empty(len(pictures) + 1, object)
    rows[:] = [*pictures, pictures[-1]]
    bytes_ = h5py.vlen_dtype(np.uint8)
    group.create_dataset("observations/pixels", data=rows, dtype=bytes_)
    words = h5py.string_dtype("utf-8")
    group.create_dataset("observations/mission", data=["a"] * len(rows), dtype=words)
    group["actions"] = each.action * bound
    group["rewards"] = each.force.astype(np.float64)
    group["terminations"], group["truncations"] = each.success, ~each.success
    group["infos/success"] = np.concatenate([[False], each.success])


def change(path: Path, edit: Any) -> None:
    """Changes an HDF5 file."""
    with h5py.File(path, "a") as file:
        edit(file)
