import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from broken_sets import (
    DATA,
    EPISODES,
    FAULTS,
    LENGTHS,
    TASK_FILE,
    TASKS,
    WORDS,
    column,
    edit,
    entry,
    episodes,
    having,
    header,
    sound,
)

import robomtl
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect, layout
from robomtl.demonstrations.collect_missing import check_suite
from robomtl.demonstrations.writing import Recorded, write
from robomtl.errors import InputError
from robomtl.files.parquet import Parquet

pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sound(tmp_path_factory.mktemp("written") / "own")


@pytest.fixture
def own(written: Path, tmp_path: Path) -> Path:
    """A data set as robomtl writes it."""
    return Path(shutil.copytree(written, tmp_path / "own"))


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """A data set as LeRobot 0.4 recorded it: with video, without names of its index."""
    folder = tmp_path / "others"
    for part in ("meta/episodes/chunk-000", "data/chunk-000"):
        (folder / part).mkdir(parents=True)
    generator = np.random.default_rng(1)
    lengths, task = np.array([3, 2, 4]), np.array([1, 0, 1])
    ends = np.cumsum(lengths)
    count = int(ends[-1])
    state = generator.random((count, 3)).astype(np.float32)
    action = generator.uniform(-1, 1, count).astype(np.float32)
    step = np.concatenate([np.arange(length) for length in lengths])
    data = {
        "observation.state": pa.FixedSizeListArray.from_arrays(state.ravel(), 3),
        "action": action,  # Features of shape (1,) are scalars.
        "timestamp": (step / 30).astype(np.float32),
        "frame_index": step,
        "episode_index": np.repeat(np.arange(3), lengths),
        "index": np.arange(count),
        "task_index": np.repeat(task, lengths),
    }
    for first, rows in enumerate((slice(0, 5), slice(5, 9))):
        table = pa.table({name: column[rows] for name, column in data.items()})
        pq.write_table(table, folder / f"data/chunk-000/file-00{first}.parquet")
    listed = {
        "episode_index": np.arange(3),
        "tasks": [[("lift", "drop")[i]] for i in task],
        "length": lengths,
        "data/chunk_index": np.zeros(3, np.int64),
        "data/file_index": np.array([0, 0, 1]),
        "dataset_from_index": ends - lengths,
        "dataset_to_index": ends,
        "videos/observation.images.top/chunk_index": np.zeros(3, np.int64),
    }
    pq.write_table(
        pa.table(listed), folder / "meta/episodes/chunk-000/file-000.parquet"
    )
    tasks = {
        "task_index": np.arange(3),
        "__index_level_0__": ["lift", "drop", "never done"],
    }
    pq.write_table(pa.table(tasks), folder / "meta/tasks.parquet")
    scalar = {"dtype": "int64", "shape": [1], "names": None}
    info = {
        "codebase_version": "v3.0",
        "robot_type": "so101_follower",
        "total_episodes": 3,
        "total_frames": 9,
        "total_tasks": 3,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 500,
        "fps": 30,
        "splits": {"train": "0:3"},
        "data_path": layout.DATA_PATH,
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-000.mp4",
        "features": {
            "observation.state": {"dtype": "float32", "shape": [3], "names": None},
            "action": {"dtype": "float32", "shape": [1], "names": None},
            "observation.images.top": {"dtype": "video", "shape": [480, 640, 3]},
            "timestamp": {"dtype": "float32", "shape": [1], "names": None},
            **{
                n: scalar
                for n in ("frame_index", "episode_index", "index", "task_index")
            },
        },
    }
    (folder / "meta/info.json").write_text(json.dumps(info))
    return folder


# Reading back.


def test_what_is_written_reads_back_bit_equal(own: Path) -> None:
    read, written = Demonstrations(own), episodes()
    assert np.array_equal(read.state, np.concatenate([e.state for e in written]))
    assert np.array_equal(read.action, np.concatenate([e.action for e in written]))
    assert read.state.dtype == read.action.dtype == np.float32
    assert read.state.flags.c_contiguous and read.action.flags.c_contiguous
    assert read.episodes.length.tolist() == list(LENGTHS)
    assert read.episodes.start.tolist() == [0, 4, 11, 16]
    assert read.episodes.task.tolist() == [0, 0, 1, 1]
    assert read.episodes.variation.tolist() == [10, 11, 12, 13]
    assert read.episodes.success.all()


def test_the_request_to_the_experts_reads_back(own: Path) -> None:
    read = Demonstrations(own)
    assert read.tasks == TASKS
    assert read.instructions == dict(zip(TASKS, WORDS, strict=True))
    assert (read.suite, read.suite_options) == ("doors/MT2", {"horizon": 9})
    assert (read.noise, read.fps) == (0.25, 20)
    assert read.failures == {"open-door": 0, "shut-door": 2}
    assert len(read) == 4
    assert "4 episodes of 2 tasks, 22 frames, state 3, action 2" in repr(read)


def test_files_are_split_by_size_and_read_back_unchanged(
    own: Path, tmp_path: Path
) -> None:
    write(tmp_path / "split", header(), episodes(), file_mb=0.001)
    files = sorted((tmp_path / "split/data/chunk-000").iterdir())
    assert len(files) > 1
    split, whole = Demonstrations(tmp_path / "split"), Demonstrations(own)
    assert split.fingerprint == whole.fingerprint


def opened(folder: Path, count: int) -> Counter[CodeType]:
    """Number of calls of each function in opening a data set of so many episode files."""
    first = episodes()[0]
    many = [first._replace(variation=number) for number in range(count)]
    write(folder, header(), many, file_mb=1e-6)
    assert len([*folder.glob("data/*/*.parquet")]) == count
    ran: Counter[CodeType] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            ran[frame.f_code] += 1

    sys.setprofile(note)
    try:
        assert len(Demonstrations(folder)) == count
    finally:
        sys.setprofile(None)
    return ran


def test_opening_many_files_reads_each_once_and_takes_steps_in_proportion(
    tmp_path: Path,
) -> None:
    fewer, more = (opened(tmp_path / str(count), count) for count in (40, 80))
    reads = Parquet.__init__.__code__
    assert more[reads] - fewer[reads] == 40
    # Twice the files take a quadratic search four times the comparisons of paths.
    faster = [code for code, count in more.items() if count > 2.2 * fewer[code] + 50]
    assert not faster


def test_an_episode_without_success_is_read_as_such(tmp_path: Path) -> None:
    first, *rest = episodes()
    failed = first._replace(success=np.zeros(len(first.state), np.bool_))
    write(tmp_path / "mixed", header(), [failed, *rest])
    success = Demonstrations(tmp_path / "mixed").episodes.success
    assert success.tolist() == [False, True, True, True]


def test_a_data_set_of_others_is_read(others: Path) -> None:
    read = Demonstrations(others)
    assert read.tasks == ("lift", "drop")
    assert read.instructions == {"lift": "lift", "drop": "drop"}
    assert read.episodes.task.tolist() == [1, 0, 1]
    assert read.episodes.variation.tolist() == [-1, -1, -1]
    assert read.episodes.success.all()
    assert (read.suite, read.noise, read.failures) == (None, None, {})
    assert (read.state.shape, read.action.shape) == ((9, 3), (9, 1))


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float16(), 3)],
    ids=str,
)
def test_states_are_read_from_lists_of_any_kind(kind: Any, own: Path) -> None:
    values = np.arange(66, dtype=np.float32).reshape(22, 3)
    rows = [row.astype(kind.value_type.to_pandas_dtype()) for row in values]
    column("observation.state", pa.array(rows, kind))(own / DATA)
    assert np.array_equal(Demonstrations(own).state, values)


@pytest.mark.parametrize(
    "mark",
    [bool, int, float, lambda each: [bool(each)]],
    ids=["bool", "int", "float", "list"],
)
def test_success_is_read_from_whatever_holds_truth(
    mark: Callable[[Any], Any], own: Path
) -> None:
    column("next.success", [mark(row >= 11) for row in range(22)])(own / DATA)
    assert Demonstrations(own).episodes.success.tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_tasks_are_read_from_texts_of_any_kind(kind: Any, own: Path) -> None:
    column("task", pa.array(WORDS, kind))(own / TASK_FILE)
    assert Demonstrations(own).tasks == TASKS


def test_files_that_a_system_left_are_not_read(own: Path) -> None:
    (own / EPISODES).with_name("._file-000.parquet").write_text("x")
    (own / "data/.DS_Store").write_text("x")
    assert len(Demonstrations(own)) == 4


def test_links_of_a_hubs_cache_are_followed(own: Path, tmp_path: Path) -> None:
    (tmp_path / "cache/snapshots").mkdir(parents=True)
    (tmp_path / "cache/blobs").mkdir()
    snapshot = own.rename(tmp_path / "cache/snapshots/1234")
    blob = (snapshot / DATA).rename(tmp_path / "cache/blobs/abcd")
    (snapshot / DATA).symlink_to(Path("../../../../blobs") / blob.name)
    assert len(Demonstrations(snapshot)) == 4


# Failed episodes, and what else is not learned from.


def test_failed_episodes_are_left_out_of_what_is_learned(own: Path) -> None:
    column("next.success", [row >= 11 for row in range(22)])(own / DATA)
    read = Demonstrations(own)
    assert len(read) == 4
    assert "2 episodes marked as failed" in repr(read)
    assert read.notes == (
        f"2 of the 4 episodes of {own} are marked as failed (next.success is never true)"
        " and left out; --failed clone learns from them, too.",
    )
    learned = read.succeeded()
    assert learned.tasks == ("shut-door",)
    assert learned.fingerprint == read.select(["shut-door"]).fingerprint
    wanted = Demonstrations(own, failed="clone")
    assert wanted.notes == ()
    assert wanted.succeeded().fingerprint == read.fingerprint


def test_episodes_that_all_failed_are_not_learned(own: Path) -> None:
    column("next.success", [False] * 22)(own / DATA)
    with pytest.raises(InputError, match="All 4 episodes .* --failed clone"):
        robomtl.train(Demonstrations(own), out=own / "run", conditioning=("none",))
    assert not (own / "run").exists()


def test_features_that_are_not_used_are_named(others: Path) -> None:
    assert Demonstrations(others).notes == (
        f"Not used of {others}: observation.images.top; policies observe"
        " observation.state alone.",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizn": 9}, "'points/MT4': Unknown option .* Did you mean 'horizon'"),
        ({"horizon": "x"}, "horizon is 'x'; give a whole number"),
    ],
)
def test_options_that_its_suite_does_not_take_are_refused(
    options: Any, message: str, own: Path
) -> None:
    asked = {"suite": "points/MT4", "options": options, "noise": 0.0}
    edit(own, "meta/robomtl.json", having("request", asked))
    with pytest.raises(InputError, match=message):
        robomtl.train(Demonstrations(own), out=own / "run", conditioning=("none",))


def test_a_data_set_names_what_is_not_used_in_one_sentence(
    others: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = robomtl.TrainConfig(steps=1, precision="float32", threads=1)
    read = Demonstrations(others)
    assert "not used observation.images.top, suite unknown" in repr(read)
    robomtl.train(read, out=others / "run", conditioning=("none",), config=config)
    assert capsys.readouterr().err.count("Not used of") == 1


def test_a_data_set_of_another_tool_hides_no_goal(others: Path) -> None:
    message = (
        "is a data set of another tool, which does not say where its states contain"
    )
    with pytest.raises(InputError, match=message):
        robomtl.train(Demonstrations(others), out=others / "r", conditioning=("goal",))
    with pytest.raises(InputError, match="another tool, but doors/MT2 is needed; give"):
        check_suite(Demonstrations(others), "doors/MT2", "give others")


# Selecting.


def test_a_selection_holds_the_first_episodes_and_their_frames_only(own: Path) -> None:
    chosen, written = Demonstrations(own).select(["shut-door"], 1), episodes()
    assert chosen.tasks == ("shut-door",)
    assert chosen.instructions == {"shut-door": "shut the door"}
    assert chosen.failures == {"shut-door": 2}
    assert chosen.episodes.variation.tolist() == [12]
    assert chosen.episodes.start.tolist() == [0]
    assert np.array_equal(chosen.state, written[2].state)
    assert np.array_equal(chosen.action, written[2].action)


def test_a_selection_keeps_the_order_of_tasks(own: Path) -> None:
    whole = Demonstrations(own)
    chosen = whole.select(["shut-door", "open-door"])
    assert chosen.tasks == TASKS
    assert chosen.fingerprint == whole.fingerprint
    some = whole.select(per_task=1)
    assert some.episodes.variation.tolist() == [10, 12]
    assert some.episodes.task.tolist() == [0, 1]


def test_fingerprints_differ_by_what_can_be_learned(own: Path, tmp_path: Path) -> None:
    first, *rest = episodes()
    first.action[0, 0] += 1e-3
    write(tmp_path / "other", header(), [first, *rest])
    whole = Demonstrations(own)
    prints = [Demonstrations(tmp_path / "other"), whole, whole.select(per_task=1)]
    assert len({read.fingerprint for read in prints}) == 3


def test_an_unknown_task_is_not_selected(own: Path) -> None:
    with pytest.raises(ValueError, match="'open-dor'. Did you mean 'open-door'"):
        Demonstrations(own).select(["open-dor"])


def test_no_more_episodes_are_selected_than_there_are(own: Path) -> None:
    with pytest.raises(ValueError, match="'open-door' has 2 episodes.*the 3 requested"):
        Demonstrations(own).select(per_task=3)


def test_only_episodes_that_are_there_are_taken(own: Path) -> None:
    for wrong in (-1, 4):
        with pytest.raises(InputError, match=f"no episode {wrong} in .* it has 4"):
            Demonstrations(own).take([0, wrong])


def test_a_selection_by_a_text_is_refused(own: Path) -> None:
    with pytest.raises(InputError, match="tasks is 'open-door'; give a list"):
        Demonstrations(own).select("open-door")


@pytest.mark.parametrize("setting", ["beyond", "failed"])
def test_an_unknown_word_for_a_setting_is_refused(setting: Any, own: Path) -> None:
    with pytest.raises(InputError, match=f"Unknown {setting} 'clop'. Did you"):
        Demonstrations(own, **{setting: "clop"})


def test_a_selection_of_nothing_is_refused(own: Path) -> None:
    with pytest.raises(ValueError, match="per_task is 0; give at least 1"):
        Demonstrations(own).select(per_task=0)
    with pytest.raises(ValueError, match="tasks is empty"):
        Demonstrations(own).select([])


# Requirements of LeRobot, after lerobot 0.6.1: dataset_metadata.py, io_utils.py and
# feature_utils.py.


def test_info_has_what_lerobot_demands(own: Path) -> None:
    info = json.loads((own / "meta/info.json").read_text())
    required = {"codebase_version", "fps", "features"}
    optional = {"total_episodes", "total_frames", "total_tasks", "chunks_size"}
    optional |= {"data_files_size_in_mb", "video_files_size_in_mb", "data_path"}
    optional |= {"video_path", "robot_type", "splits"}
    assert set(info) == required | optional
    assert info["codebase_version"] == "v3.0"
    assert info["splits"] == {"train": "0:4"}
    assert (info["total_episodes"], info["total_frames"]) == (4, 22)
    default = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64"}
    default |= {"index": "int64", "task_index": "int64"}
    for name, dtype in default.items():
        described = {"dtype": dtype, "shape": [1], "names": None}
        assert info["features"][name] == described
    assert info["features"]["action"]["shape"] == [2]
    assert len(info["features"]["action"]["names"]) == 2
    assert not any("/" in name for name in info["features"])


def test_data_columns_are_exactly_the_features(own: Path) -> None:
    features = json.loads((own / "meta/info.json").read_text())["features"]
    file = pq.ParquetFile(own / "data/chunk-000/file-000.parquet")
    schema = file.schema_arrow
    assert set(schema.names) == set(features)
    assert schema.field("observation.state").type == pa.list_(pa.float32(), 3)
    assert schema.field("action").type == pa.list_(pa.float32(), 2)
    kinds = {"next.reward": pa.float32(), "next.success": pa.bool_()}
    kinds |= {"variation": pa.int64(), "timestamp": pa.float32()}
    kinds |= dict.fromkeys(("frame_index", "episode_index", "index"), pa.int64())
    assert {name: schema.field(name).type for name in kinds} == kinds
    assert file.num_row_groups == 4


def test_frames_are_counted_as_lerobot_counts_them(own: Path) -> None:
    table = pq.read_table(own / "data/chunk-000/file-000.parquet")
    data = {name: np.array(table[name].to_pylist()) for name in table.column_names}
    assert data["index"].tolist() == list(range(22))
    assert data["frame_index"].tolist() == [i for n in LENGTHS for i in range(n)]
    assert np.allclose(data["timestamp"], data["frame_index"] / 20)
    assert data["episode_index"].tolist() == [
        i for i, n in enumerate(LENGTHS) for _ in range(n)
    ]
    assert data["task_index"].tolist() == [0] * 11 + [1] * 11


def test_tasks_are_a_pandas_table_indexed_by_instruction(own: Path) -> None:
    table = pq.read_table(own / "meta/tasks.parquet")
    assert table["task_index"].to_pylist() == [0, 1]
    assert table["task"].to_pylist() == list(WORDS)
    described = json.loads(table.schema.metadata[b"pandas"])
    assert described["index_columns"] == ["task"]
    assert [column["name"] for column in described["columns"]] == ["task_index", "task"]


def test_episodes_have_lerobots_columns(own: Path) -> None:
    table = pq.read_table(own / "meta/episodes/chunk-000/file-000.parquet")
    rows = table.to_pylist()
    assert rows[2]["tasks"] == ["shut the door"]
    assert (rows[2]["dataset_from_index"], rows[2]["dataset_to_index"]) == (11, 16)
    integers = ("episode_index", "length", "data/chunk_index", "data/file_index")
    integers += ("meta/episodes/chunk_index", "meta/episodes/file_index")
    assert {table.schema.field(name).type for name in integers} == {pa.int64()}
    features = json.loads((own / "meta/info.json").read_text())["features"]
    names = ("min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99")
    for feature, described in features.items():
        for name in names:
            size = 1 if name == "count" else described["shape"][0]
            assert len(rows[0][f"stats/{feature}/{name}"]) == size


def test_statistics_are_those_of_all_frames(own: Path) -> None:
    stats = json.loads((own / "meta/stats.json").read_text())
    state = Demonstrations(own).state
    assert stats["observation.state"]["count"] == [22]
    assert np.allclose(stats["observation.state"]["mean"], state.mean(0), atol=1e-6)
    assert np.allclose(stats["observation.state"]["std"], state.std(0), atol=1e-6)
    assert np.allclose(stats["observation.state"]["min"], state.min(0))
    q90 = np.quantile(state, 0.9, axis=0)
    assert np.allclose(stats["observation.state"]["q90"], q90, atol=1e-6)
    assert stats["next.success"]["mean"] == [8 / 22]


# Refusing.


@pytest.mark.parametrize("case", FAULTS)
def test_a_data_set_is_refused_that_has(case: str, own: Path) -> None:
    FAULTS[case].put(own)
    with pytest.raises(InputError, match=FAULTS[case].message):
        Demonstrations(own)


@pytest.mark.parametrize(
    ("most", "limit", "message"),
    [
        ("MOST_EPISODES", 3, "meta/episodes has 4 rows; at most 3 are read"),
        ("MOST_TASKS", 1, "tasks.parquet has 2 rows; at most 1 are read"),
        ("MOST_FILES", 0, "parquet has 1 rows; at most 0 are read"),
    ],
)
def test_more_rows_than_memory_may_hold_are_refused(
    own: Path, monkeypatch: pytest.MonkeyPatch, most: str, limit: int, message: str
) -> None:
    monkeypatch.setattr(layout, most, limit)
    with pytest.raises(InputError, match=message):
        Demonstrations(own)


@pytest.mark.parametrize(
    "file",
    ["meta/info.json", "meta/robomtl.json", "meta/tasks.parquet", DATA, EPISODES],
)
@pytest.mark.parametrize("part", [0.0, 0.5, 0.95])
def test_a_file_cut_short_is_named(file: str, part: float, own: Path) -> None:
    path = own / file
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match=f"{path.name} is damaged or cut short"):
        Demonstrations(own)


def test_a_data_file_with_a_flipped_bit_is_named(own: Path) -> None:
    content = bytearray((own / DATA).read_bytes())
    state = Demonstrations(own).state[1].tobytes()
    content[content.index(state)] ^= 1
    (own / DATA).write_bytes(content)
    with pytest.raises(ValueError, match="file-000.parquet is damaged or cut short"):
        Demonstrations(own)


@pytest.mark.parametrize("file", ["meta/tasks.parquet", DATA])
def test_a_missing_file_is_named(file: str, own: Path) -> None:
    (own / file).unlink()
    with pytest.raises(ValueError, match=f"{file} is missing; the data set is incompl"):
        Demonstrations(own)


def test_missing_episodes_are_named(own: Path) -> None:
    (own / EPISODES).unlink()
    with pytest.raises(ValueError, match="meta/episodes has no file; it is incomplete"):
        Demonstrations(own)


def test_a_folder_without_info_is_no_data_set(own: Path, tmp_path: Path) -> None:
    (own / "meta/info.json").unlink()
    with pytest.raises(
        ValueError, match="meta/info.json is missing. It is written last"
    ):
        Demonstrations(own)
    with pytest.raises(ValueError, match="nowhere does not exist; give the folder of"):
        Demonstrations(tmp_path / "nowhere")


def test_a_folder_in_a_data_set_names_the_data_set(own: Path) -> None:
    with pytest.raises(InputError, match=f"meta is not a data set, but {own} is one"):
        Demonstrations(own / "meta")


def test_a_data_set_of_a_hub_has_to_be_downloaded_first() -> None:
    with pytest.raises(InputError, match="hf download --repo-type dataset"):
        Demonstrations("lerobot/pusht")


def test_an_interrupted_collection_says_how_to_continue(tmp_path: Path) -> None:
    (tmp_path / ".collecting").mkdir()
    with pytest.raises(
        ValueError,
        match="interrupted. Wait for the command that writes it, or run it again",
    ):
        Demonstrations(tmp_path)


def test_an_empty_data_set_is_refused(own: Path) -> None:
    none = {"total_episodes": 0, "total_frames": 0}
    edit(own, "meta/info.json", lambda info: info | none)
    path = own / EPISODES
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(ValueError, match="own has no episodes"):
        Demonstrations(own)


def test_an_episode_without_frames_is_refused(own: Path) -> None:
    def emptied(columns: Any) -> Any:
        columns["length"][1], columns["length"][2] = 0, 12
        return columns

    edit(own, EPISODES, emptied)
    with pytest.raises(ValueError, match="episode 1 has no frames"):
        Demonstrations(own)


def test_actions_are_clipped_where_the_simulator_clips(own: Path) -> None:
    edit(own, DATA, entry("action", 5, [0.5, -25.0]))
    read = Demonstrations(own, beyond="clip")
    assert read.action[5].tolist() == [0.5, -1.0]


# Writing.


def test_the_same_episodes_give_the_same_bytes(own: Path, tmp_path: Path) -> None:
    write(tmp_path / "again", header(), episodes())
    files = [path.relative_to(own) for path in own.rglob("*") if path.is_file()]
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "again" / file).read_bytes() == (own / file).read_bytes()


def test_a_data_set_is_none_while_it_is_written(tmp_path: Path) -> None:
    def failing() -> Iterator[Recorded]:
        yield from episodes()
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write(tmp_path / "half", header(), failing())
    with pytest.raises(ValueError, match="is not a data set"):
        Demonstrations(tmp_path / "half")
    assert not list((tmp_path / "half").rglob("*partial*"))


@pytest.mark.slow
def test_episodes_that_share_a_hidden_goal_are_a_group(tmp_path):
    hidden = robomtl.suite("metaworld/ML1/reach-v3", starts="varied", goals="hidden")
    demonstrations = collect(
        hidden, tmp_path / "data", config=CollectionConfig(episodes=52, noise=0.0)
    )
    goals = [
        hidden.goal_number("reach-v3", int(variation))
        for variation in demonstrations.episodes.variation
    ]
    groups = demonstrations.groups.tolist()
    pairs = set(zip(goals, groups, strict=True))
    assert len(pairs) == len(set(goals)) == len(set(groups)) == 50
