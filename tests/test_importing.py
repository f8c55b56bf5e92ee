"""Data sets of other tools: imports, reports, and refusals of invalid data."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import foreign_sets
import h5py
import numpy as np
import pytest
from broken_sets import DATA, INFO, TASK_FILE, edit, feature, having, repeated
from foreign_sets import LENGTHS, SHAPE, WORDS, change, encoded, frames

import robomtl
from robomtl.cli.main import main
from robomtl.demonstrations import Demonstrations, Mixture, writing
from robomtl.errors import InputError
from robomtl.importing import ImportConfig, check_source, import_data
from robomtl.importing.import_report import sentences
from robomtl.importing.robomimic import Robomimic
from robomtl.importing.source import in_words

pytest.importorskip("av")
KEY = "observation.images.top"
PART = "data/1/part-0.arrow"
EPISODE = "data/chunk-000/episode_000001.parquet"
VIDEO = f"videos/chunk-000/{KEY}/episode_000001.mp4"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sound data set in every layout."""
    folder = tmp_path_factory.mktemp("foreign")
    for images in ("video", "image"):
        foreign_sets.lerobot(folder / f"lerobot-{images}", images=images)
    foreign_sets.robomimic(folder / "can.hdf5")
    foreign_sets.libero(folder / "libero")
    foreign_sets.minari(folder / "minari")
    for storage in ("arrow", "parquet"):
        foreign_sets.minari(folder / f"minari-{storage}", storage=storage)
    return folder


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "own"))


def every(field: str, count: int = len(LENGTHS)) -> Any:
    return np.concatenate([getattr(frames(n), field) for n in range(count)])


@pytest.mark.parametrize(
    ("name", "image", "exact"),
    [
        ("lerobot-video", "image.top", True),
        ("lerobot-image", "image.top", True),
        ("can.hdf5", "image.agentview", True),
        ("minari", "image.pixels", False),  # Stored as JPEG.
        ("minari-arrow", "image.pixels", False),
        ("minari-parquet", "image.pixels", False),
    ],
)
def test_frames_are_imported_as_they_were_recorded(
    made: Path, tmp_path: Path, name: str, image: str, exact: bool
) -> None:
    config = ImportConfig(video="lossless")
    data = import_data(made / name, tmp_path / "out", config)
    data = Demonstrations(data.path, observe=("state", image))
    assert np.array_equal(data.state[:, :3], every("state"))
    assert np.array_equal(data.action, every("action"))
    off = np.abs(
        np.asarray(data.columns[f"observation.{image}"], int) - every("images")
    )
    assert off.max() <= (0 if exact else 3)
    assert data.episodes.length.tolist() == [*LENGTHS]
    assert data.episodes.success.tolist() == [True, False, True]
    assert data.embodiment.images.keys() == {image}


def test_sentences_rates_robots_and_usual_features_are_those_of_the_source(
    made: Path, tmp_path: Path
) -> None:
    found = {
        each.name: import_data(each, tmp_path / each.name) for each in made.iterdir()
    }
    lerobot, can, libero = (found[n] for n in ("lerobot-video", "can.hdf5", "libero"))
    assert lerobot.tasks == tuple(dict.fromkeys(WORDS))
    assert (lerobot.fps, lerobot.embodiment.name) == (10, "so100")
    assert lerobot.observes == ("image.top", "proprioception")
    assert can.tasks == ("pick place can",)
    assert (can.fps, can.embodiment.name, can.state.shape[1]) == (20, "Panda", 10)
    assert libero.tasks == WORDS[:2]
    assert found["minari"].tasks == ("adroit hand door",)


def test_a_version_3_data_set_is_imported_too(made: Path, tmp_path: Path) -> None:
    config = ImportConfig(video="lossless")
    first = import_data(made / "lerobot-video", tmp_path / "3", config)
    second = import_data(first.path, tmp_path / "again", config)
    assert second.fingerprint == first.fingerprint
    assert check_source(first.path)["format"] == "LeRobotDataset v3.0"
    edit(first.path, INFO, feature("odd", {"dtype": ["float32"], "shape": [1]}))
    assert "odd" in check_source(first.path)["not_imported"]
    edit(first.path, TASK_FILE, having("task", [1, 2]))
    with pytest.raises(InputError, match="column 'task' contains int64, not strings"):
        check_source(first.path)


def test_version_3_keeps_several_episodes_a_file_pictures_and_equal_instructions(
    made: Path, tmp_path: Path
) -> None:
    config = ImportConfig(features=("state=observation.state",))
    source = import_data(made / "lerobot-video", tmp_path / "3", config).path
    pictures = [{"bytes": encoded(i), "path": "a.png"} for i in every("images")]
    edit(source, DATA, having(KEY, pictures))
    edit(source, INFO, feature(KEY, {"dtype": "image", "shape": [*SHAPE]}))
    edit(source, TASK_FILE, having("task", [WORDS[0]] * 2))
    data = import_data(source, tmp_path / "out", ImportConfig(video="lossless"))
    seen = Demonstrations(data.path, observe=("image.top",))
    assert np.array_equal(seen.columns["observation.image.top"], every("images"))
    assert np.array_equal(data.action, every("action"))
    assert data.tasks == (WORDS[0],)
    report = json.loads((data.path / "report.json").read_text())
    assert report["duplicated_instructions"] == [[WORDS[0]] * 2]


@pytest.mark.parametrize("other", ["observation.top", "observation.image.top"])
def test_cameras_that_share_a_short_name_are_imported_by_their_whole_names(
    made: Path, tmp_path: Path, other: str
) -> None:
    source = import_data(made / "lerobot-video", tmp_path / "3", ImportConfig()).path
    pictures = [{"bytes": encoded(i), "path": "a.png"} for i in every("images")]
    dark = [{"bytes": encoded(i // 2), "path": "a.png"} for i in every("images")]
    edit(source, DATA, having(KEY, pictures))
    edit(source, DATA, having(other, dark))
    for key in (KEY, other):
        edit(source, INFO, feature(key, {"dtype": "image", "shape": [*SHAPE]}))
    whole, short = (f"image.{key.replace('.', '_')}" for key in (KEY, other))
    data = import_data(source, tmp_path / "out", ImportConfig(video="lossless"))
    seen = Demonstrations(data.path, observe=(whole, short))
    images = [seen.columns[f"observation.{name}"] for name in (whole, short)]
    assert np.array_equal(images[0], every("images"))
    assert np.array_equal(images[1], every("images") // 2)


def test_cameras_of_hdf5_files_that_share_a_short_name_stay_apart(own: Path) -> None:
    def double(file: h5py.File) -> None:
        for demo in file["data"].values():
            demo["obs/agentview_rgb"] = demo["obs/agentview_image"][...]

    change(own / "can.hdf5", double)
    names = ("image.obs_agentview_image", "image.obs_agentview_rgb")
    assert {*names} <= check_source(own / "can.hdf5")["features"].keys()


def test_cameras_of_nested_minari_spaces_that_share_a_short_name_stay_apart(
    own: Path,
) -> None:
    def nest(metadata: Any) -> Any:
        space = json.loads(metadata["observation_space"])
        space["subspaces"]["left"] = {
            "type": "Dict",
            "subspaces": {"pixels": space["subspaces"]["pixels"]},
        }
        return {**metadata, "observation_space": json.dumps(space)}

    def double(file: h5py.File) -> None:
        for episode in file.values():
            episode["observations/left/pixels"] = episode["observations/pixels"]

    edit(own / "minari/data", "metadata.json", nest)
    change(own / "minari/data/main_data.hdf5", double)
    names = ("image.observations_pixels", "image.observations_left_pixels")
    assert {*names} <= check_source(own / "minari")["features"].keys()


def test_an_observed_vector_does_not_replace_the_action(own: Path) -> None:
    source = own / "lerobot-video"
    whole = json.loads((source / INFO).read_text())["features"]["action"]
    edit(source, INFO, feature("observation.action", whole))
    for path in source.glob("data/*/*.parquet"):
        edit(source, str(path.relative_to(source)), _observing_the_action)
    features = check_source(source)["features"]
    assert features["action"]["columns"] == ["action"]
    assert features["observation_action"]["columns"] == ["observation.action"]


def _observing_the_action(columns: Any) -> Any:
    return {**columns, "observation.action": columns["action"]}


def test_columns_are_chosen_by_name(made: Path, tmp_path: Path) -> None:
    words = ("state=object+robot0_eef_pos", "image.front=agentview_image", "success=")
    config = ImportConfig(
        features=words, instruction="pick the can", robot="arm", fps=5
    )
    data = import_data(made / "can.hdf5", tmp_path / "out", config)
    assert np.array_equal(data.state, every("state")[:, [0, 1, 0, 1, 2]])
    assert data.episodes.success.all()
    assert (
        "next.success"
        not in json.loads((data.path / "meta/info.json").read_text())["features"]
    )
    assert (data.tasks, data.fps) == (("pick the can",), 5)
    assert data.embodiment.name == "arm"
    seen = Demonstrations(data.path, observe=("image.front",))
    assert seen.embodiment.images.keys() == {"image.front"}


def test_rewards_that_are_no_marks_leave_success_open(
    own: Path, tmp_path: Path
) -> None:
    change(own / "can.hdf5", replaced("rewards", data=np.full(LENGTHS[0], 0.25)))
    text = " ".join(sentences(check_source(own / "can.hdf5")))
    assert "not recorded: rewards is 0.25 in episode 0, neither 0 nor 1." in text
    assert import_data(own / "can.hdf5", tmp_path / "out").episodes.success.all()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("PickPlaceCan-v1", "pick place can"),
        ("suite/push-via-point-v10", "push via point"),
        ("Libero_Kitchen", "libero kitchen"),
    ],
)
def test_the_name_of_an_env_becomes_a_sentence(name: str, words: str) -> None:
    assert in_words(name) == words


def test_a_filter_key_takes_a_subset(made: Path, tmp_path: Path) -> None:
    config = ImportConfig(filter_key="train")
    data = import_data(made / "can.hdf5", tmp_path / "out", config)
    assert data.episodes.length.tolist() == [LENGTHS[0], LENGTHS[2]]
    with pytest.raises(
        InputError, match="Unknown filter key 'trains'. Did you mean 'tra"
    ):
        check_source(made / "can.hdf5", ImportConfig(filter_key="trains"))
    with pytest.raises(InputError, match="only robomimic files have filter keys"):
        check_source(made / "minari", ImportConfig(filter_key="train"))


@pytest.mark.parametrize("declared", [True, False])
def test_actions_beyond_1_are_scaled_by_declared_or_recorded_bounds(
    tmp_path: Path, declared: bool
) -> None:
    source = foreign_sets.minari(tmp_path / "door", bound=5.0)
    if not declared:
        space = json.dumps(foreign_sets.space("float32", 2))
        edit(source, "data/metadata.json", having("action_space", space))
    data = import_data(source, tmp_path / "out")
    bounds = json.loads((data.path / "meta/import.json").read_text())["action_bounds"]
    low, high = np.array(bounds["low"]), np.array(bounds["high"])
    action = every("action") * 5
    expected = ([-5, -5], [5, 5]) if declared else (action.min(0), action.max(0))
    assert np.allclose((low, high), expected)
    assert np.allclose(low + (data.action + 1) / 2 * (high - low), action, atol=1e-5)
    clipped = import_data(source, tmp_path / "clip", ImportConfig(beyond="clip"))
    assert np.array_equal(clipped.action, np.clip(action, -1, 1).astype(np.float32))


def test_the_report_names_what_is_odd(own: Path) -> None:
    path = own / "lerobot-image"
    lines = [
        {"task_index": 0, "task": WORDS[0]},
        {"task_index": 1, "task": "Lift the cube."},
    ]
    foreign_sets.write_lines(path / "meta/tasks.jsonl", lines)
    states = [[1.0, float(step), 2.0] for step in range(LENGTHS[0])]
    edit(path, EPISODE.replace("1.p", "0.p"), having("observation.state", states))
    states = [[1.0, 3.0, float("nan")]] * LENGTHS[1]
    edit(path, EPISODE, having("observation.state", states))
    states = [[1.0, float(step), 2.0] for step in range(LENGTHS[2])]
    edit(path, EPISODE.replace("1.p", "2.p"), having("observation.state", states))
    report = check_source(path)
    text = " ".join(sentences(report))
    assert report["features"]["state"]["constant"] == [0, 2]
    assert report["features"]["state"]["not_finite"] == 4
    assert report["broken"] == {"1": "Episode 1: 'state' is not finite at step 0."}
    assert "Constant in every frame: components 0, 2 of state." in text
    assert "Not finite: state in 4 frames." in text
    assert report["state_dimension"] == 3 and report["action"]["size"] == 2


def test_duplicated_instructions_and_early_ends_are_reported(own: Path) -> None:
    path = own / "lerobot-image"
    words = ("Lift the cube.", "lift the cube", "lift the cube")
    lines = [{"task_index": n, "task": each} for n, each in enumerate(words)]
    foreign_sets.write_lines(path / "meta/tasks.jsonl", lines)
    report = check_source(path)
    assert report["duplicated_instructions"] == [[words[1]] * 2, [*words[:2]]]
    assert "Duplicated instructions: 'Lift the cube.', 'lift the cube'." in " ".join(
        sentences(report)
    )
    with h5py.File(own / "can.hdf5", "a") as file:
        demo = file["data/demo_0"]
        for each in ("actions", "rewards", "dones", "states", *demo["obs"]):
            name = each if each in demo else f"obs/{each}"
            kept = demo[name][:1]
            del demo[name]
            demo[name] = kept
        demo.attrs["num_samples"] = 1
    text = [*sentences(check_source(own / "can.hdf5"))]
    assert any("1 episodes end early" in each for each in text)


def test_imported_data_sets_train_in_a_mixture(made: Path, tmp_path: Path) -> None:
    config = robomtl.TrainConfig(
        steps=2, batch_size=8, precision="float32", threads=1, device="cpu"
    )
    sets = [import_data(made / n, tmp_path / n) for n in ("libero", "minari")]
    states = [Demonstrations(each.path, observe=("state",)) for each in sets]
    out = tmp_path / "run"
    robomtl.train(
        Mixture(states), out=out, policy="mlp", conditioning=["one_hot"], config=config
    )
    assert robomtl.PolicyAgent(out).name


def _said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_the_command_imports_and_reports(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["import", str(made / "can.hdf5"), "--features", "state=object"]
    assert main([*words, "--check"]) == 0
    assert "state: obs/object, 2 numbers." in capsys.readouterr().out
    assert main(words) == 2
    assert "--out is missing" in _said(capsys)
    out = tmp_path / "out"
    assert main([*words, "--out", str(out)]) == 0
    assert f"3 episodes of 1 tasks in {out}" in capsys.readouterr().out
    assert json.loads((out / "report.json").read_text())["frames"] == sum(LENGTHS)
    assert main([*words, "--out", str(out)]) == 0  # It is there already.
    whole = (out / "report.json").read_text()
    (out / "report.json").write_text("{}")
    assert main([*words, "--out", str(out)]) == 2
    refused = "".join(capsys.readouterr().err.replace("│", "").split())
    assert "report.jsonisdamaged" in refused  # However long the path is.
    (out / "report.json").write_text(whole)
    assert main([*words[:2], "--out", str(out)]) == 2
    assert "Differing: features" in _said(capsys)


def test_an_interrupted_import_begins_anew(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "out", writing.write

    def killed(*given: Any) -> None:
        write(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        import_data(made / "can.hdf5", out)
    with pytest.raises(InputError, match="incomplete: it is being written, or its"):
        Demonstrations(out)
    (out / ".report.json.1.partial").touch()  # As a kill leaves it.
    monkeypatch.setattr(writing, "write", write)
    whole = import_data(made / "can.hdf5", out)
    again = import_data(made / "can.hdf5", tmp_path / "again")
    assert whole.fingerprint == again.fingerprint
    assert {each.name for each in out.iterdir()} == {
        "data",
        "meta",
        "videos",
        "report.json",
    }


def test_broken_episodes_are_left_out_on_demand(own: Path, tmp_path: Path) -> None:
    (own / "lerobot-video" / VIDEO).write_bytes(b"no video")
    config = ImportConfig(broken="omit")
    data = import_data(own / "lerobot-video", tmp_path / "out", config)
    assert data.episodes.length.tolist() == [LENGTHS[0], LENGTHS[2]]


# Refusals: the fault of a data set, and the message.


def json_of(file: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    return lambda folder: edit(folder, file, change)


def columns_of(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    return lambda folder: edit(folder, EPISODE, change)


def linked(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).rename(folder.parent / "elsewhere")
        (folder / name).symlink_to(folder.parent / "elsewhere")

    return change


def shortened(folder: Path) -> None:
    images = frames(1).images[:3]
    foreign_sets.write_video(folder / VIDEO, images)


def cut(folder: Path) -> None:
    (folder / VIDEO).write_bytes((folder / VIDEO).read_bytes()[:-300])


def smaller(folder: Path) -> None:
    foreign_sets.write_video(folder / VIDEO, frames(1).images[:, :16, :16])


def picture(content: Any) -> Callable[[Path], None]:
    def change(columns: Any) -> Any:
        columns[KEY][2] = {"bytes": content, "path": "a.png"}
        return columns

    return columns_of(change)


NAMES = ["observation.state", "observation.force", "action", "next.success"]
NAMES += ["episode_index", "task_index"]
OUTSIDE = "../{episode_index:06d}.parquet"
LEROBOT: dict[str, tuple[Callable[[Path], None], str]] = {
    "paths that climb out": (
        json_of(INFO, having("data_path", OUTSIDE)),
        r"the template '\.\./.* must be a path in the data set",
    ),
    "absolute paths": (
        json_of(INFO, having("data_path", "/{episode_index:06d}.parquet")),
        "the template '/.* must be a path in the data set",
    ),
    "a video path that climbs out": (
        json_of(
            INFO, having("video_path", "../../{video_key}/{episode_index:06d}.mp4")
        ),
        "must be a path in the data set",
    ),
    "a link that leaves it": (linked(EPISODE), "is a link that leaves the data set"),
    "a video that is a link": (linked(VIDEO), "is a link that leaves the data set"),
    "an absurd number of frames": (
        json_of(INFO, having("total_frames", 10**12)),
        "lists 3 episodes of 17 frames, meta/info.json 3 of 1000000000000",
    ),
    "a negative rate": (json_of(INFO, having("fps", -10)), r"\$.fps: expected float"),
    "no chunks": (json_of(INFO, having("chunks_size", 0)), r"\$.chunks_size: expected"),
    "an enormous shape": (
        json_of(
            INFO, feature("observation.state", {"dtype": "float32", "shape": [2**40]})
        ),
        "to be the state.*'observation.state' has float32 of shape .1099511627776. per",
    ),
    "an old version": (
        json_of(INFO, having("codebase_version", "v1.6")),
        "codebase_version is v1.6; robomtl imports v2.0, v2.1, v3.0",
    ),
    "a missing column": (
        columns_of(lambda columns: {k: v for k, v in columns.items() if k != "action"}),
        "Of episode 1: .* has no column 'action'",
    ),
    "too few frames": (
        columns_of(lambda columns: {k: v[:-1] for k, v in columns.items()}),
        "1 of 3 episodes are broken. Of episode 1: .* contains 3 frames, .* lists 4.",
    ),
    "frames of another episode": (
        columns_of(having("episode_index", [2] * 4)),
        "does not contain the frames of episode 1",
    ),
    "two tasks": (
        columns_of(having("task_index", [0, 0, 1, 1])),
        "episode 1 changes its task at step 2",
    ),
    "an unknown task": (
        columns_of(having("task_index", [9] * 4)),
        "has task_index 9, which the list of tasks does not name",
    ),
    "objects in a column": (
        columns_of(having("observation.state", [b"\x80\x04N."] * 4)),
        "column 'observation.state' contains binary, not vectors",
    ),
    "rows without end": (
        lambda folder: repeated(folder / EPISODE, NAMES),
        "in memory; at most",
    ),
    "vectors of another length": (
        columns_of(having("observation.state", [[0.0] * 9] * 4)),
        "vectors not of size 3",
    ),
    "a video that is too short": (
        shortened,
        "episode_000001.mp4 has 3 images, and episode 1 needs those from 0 to 3",
    ),
    "a video that is cut": (cut, "episode_000001.mp4 is damaged or cut short"),
    "a video of another size": (
        smaller,
        "images of 16 x 16, and meta/info.json says 32",
    ),
    "a video that is missing": (
        lambda folder: (folder / VIDEO).unlink(),
        "episode_000001.mp4 is missing; the data set is incomplete",
    ),
    "a task without a sentence": (
        lambda folder: foreign_sets.write_lines(
            folder / "meta/tasks.jsonl",
            [{"task_index": 0, "task": WORDS[0]}, {"task_index": 1, "task": " "}],
        ),
        "1 of 3 episodes have no task sentence, the first is episode 1; give one",
    ),
    "a list that is cut": (
        lambda folder: (folder / "meta/episodes.jsonl").write_text('{"episode_ind'),
        "episodes.jsonl, line 1 is damaged or cut short",
    ),
    "an episode that is listed twice": (
        lambda folder: foreign_sets.write_lines(
            folder / "meta/episodes.jsonl",
            [
                {"episode_index": n, "length": k}
                for n, k in zip((0, 0, 2), LENGTHS, strict=True)
            ],
        ),
        "does not list the episodes 0 to 2",
    ),
}


def test_pictures_of_an_enormous_shape_are_left_out_and_refused(own: Path) -> None:
    shape = {"dtype": "video", "shape": [10**6, 10**6, 3]}
    edit(own / "lerobot-video", INFO, feature(KEY, shape))
    text = " ".join(sentences(check_source(own / "lerobot-video")))
    assert f"{KEY} (has shape [1000000, 1000000, 3]; it must be" in text
    config = ImportConfig(features=(f"image.top={KEY}",))
    with pytest.raises(InputError, match=f"The column '{KEY}' has shape .1000000, 100"):
        check_source(own / "lerobot-video", config)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x04N.", "row 2 of 'observation.images.top' has a damaged image"),
        (None, "row 2 of 'observation.images.top' has no image"),
        (
            foreign_sets.encoded(np.zeros((9, 9, 3), np.uint8)),
            "has an image of 9 x 9",
        ),
    ],
)
def test_unsound_pictures_in_parquet_are_refused(
    own: Path, tmp_path: Path, content: Any, said: str
) -> None:
    picture(content)(own / "lerobot-image")
    with pytest.raises(InputError, match=said):
        import_data(own / "lerobot-image", tmp_path / "out")


def replaced(name: str, **dataset: Any) -> Callable[[Any], None]:
    """Puts another data set in the place of one of the first episode."""

    def edit(file: Any) -> None:
        first = "data/demo_0" if "data" in file else "episode_0"
        del file[f"{first}/{name}"]
        file[first].create_dataset(name, **dataset)

    return edit


def external(file: Any) -> None:
    del file["data/demo_1/obs/object"]
    file["data/demo_1/obs/object"] = h5py.ExternalLink("/etc/other.hdf5", "/secret")


def soft(file: Any) -> None:
    del file["data/demo_1/obs/object"]
    file["data/demo_1/obs/object"] = h5py.SoftLink("/data/demo_0/obs/object")


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout(shape=(LENGTHS[0], 2), dtype="f8")
    layout[:] = h5py.VirtualSource("other.hdf5", "x", shape=(LENGTHS[0], 2))
    del file["data/demo_0/actions"]
    file["data/demo_0"].create_virtual_dataset("actions", layout)


def untyped(file: Any) -> None:
    file["mask/all"] = WORDS_TYPE


def nested(file: Any) -> None:
    file["data/demo_0/obs/again"] = file["data/demo_0"]


def attribute(name: str, value: Any) -> Callable[[Any], None]:
    return lambda file: file["data"].attrs.__setitem__(name, value)


HUGE = {"shape": (10**12, 2), "dtype": "f8", "chunks": (1024, 2)}
WORDS_TYPE = h5py.string_dtype()


def no_group(file: Any) -> None:
    del file["data"]
    file["data"] = np.zeros(3)


HDF5: dict[str, tuple[Callable[[Any], None], str]] = {
    "numbers where a group belongs": (no_group, "/data is not a group; it has no"),
    "an external link": (external, "'object' is a link to /etc/other.hdf5, '/secret'"),
    "a soft link": (soft, "'object' is a link to elsewhere in the file"),
    "data in other files": (virtual, "'actions' stores its data in other files"),
    "raw data in other files": (
        replaced(
            "actions", shape=(6, 2), dtype="f8", external=[("/etc/passwd", 0, 96)]
        ),
        "'actions' stores its data in other files",
    ),
    "a type in place of names": (untyped, "/mask/all is not a data set"),
    "groups inside themselves": (nested, "groups nested deeper than 8 levels"),
    "objects": (
        replaced("actions", data=["a"] * 6, dtype=WORDS_TYPE),
        "'actions' contains Python objects or texts, which robomtl does not load",
    ),
    "an opaque type": (
        replaced("actions", data=np.zeros(6, "V8")),
        "'actions' contains .*, not numbers",
    ),
    "a pickle in an attribute": (
        attribute("env_args", np.void(b"\x80\x04\x95cos\nsystem")),
        "the attribute 'env_args' is not a string; robomtl loads no pickles",
    ),
    "a pickle as a text": (
        attribute("env_args", b"\x80\x04N."),
        "the attribute 'env_args' is not a string; robomtl loads no pickles",
    ),
    "an attribute that is no JSON": (
        attribute("env_args", "cos\nsystem\n(S'true'\ntR."),
        "the attribute 'env_args' is damaged or cut short",
    ),
    "enormous arrays": (
        replaced("obs/object", **HUGE),
        "declares 16,000,000,000,000 in mem",
    ),
    "enormous vectors": (
        replaced("obs/object", shape=(6, 10**9), dtype="f8", chunks=(1, 10**6)),
        "The column 'obs/object' has float64 of shape",
    ),
    "another shape": (
        lambda file: (
            file["data/demo_1/obs"].__delitem__("object"),
            file["data/demo_1/obs"].create_dataset("object", data=np.zeros((4, 5))),
        ),
        r"Episode 1: 'obs/object' has the shape \(5,\) per frame, and \(2,\) elsewhere",
    ),
    "unequal lengths": (
        replaced("obs/object", data=np.zeros((5, 2))),
        "Of episode 0: .*column 'obs/object' has 5 rows, and the episode has 6 frames",
    ),
    "another number of samples": (
        lambda file: file["data/demo_0"].attrs.__setitem__("num_samples", 10**12),
        "'actions' has 6 rows, and the episode has 1000000000000 frames",
    ),
    "a name that is no text": (
        lambda file: file["data/demo_0/obs"].create_dataset(b"\xff", data=[1.0] * 6),
        "demo_0/obs has an entry whose name is not UTF-8",
    ),
    "no actions": (
        lambda file: file["data/demo_2"].__delitem__("actions"),
        "Unknown entry 'actions'.",
    ),
    "no episodes": (lambda file: file.__delitem__("data"), "Unknown entry 'data'"),
}


STATE = ("state=obs/object+obs/robot0_eef_pos",)


MINARI: dict[str, tuple[Callable[[Path], None], str]] = {
    "an absurd number of episodes": (
        json_of("data/metadata.json", having("total_episodes", 10**12)),
        "has 3 episodes, metadata.json declares 1000000000000",
    ),
    "another number of steps": (
        json_of("data/metadata.json", having("total_steps", 18)),
        "has 17 steps, metadata.json declares 18",
    ),
    "another storage": (
        json_of("data/metadata.json", having("data_format", "zarr")),
        "the data_format is zarr; robomtl imports",
    ),
    "a space that is no JSON": (
        json_of("data/metadata.json", having("action_space", "Box(2,)")),
        "the space of actions is damaged or cut short",
    ),
    "discrete actions": (
        json_of("data/metadata.json", having("action_space", '{"type": "Discrete"}')),
        "No column is known to be the action; name it",
    ),
    "a link that leaves it": (linked("data/main_data.hdf5"), "a link that leaves the"),
    "a folder that is a link": (linked("data"), "a link that leaves the data set"),
    "a file that is cut": (
        lambda folder: (folder / "data/main_data.hdf5").write_bytes(
            b"\x89HDF\r\n\x1a\n"
        ),
        "main_data.hdf5 is not HDF5, or cut short",
    ),
    "unequal lengths": (
        lambda folder: change(
            folder / "data/main_data.hdf5", replaced("actions", data=np.zeros((5, 2)))
        ),
        "Of episode 0: .*column 'actions' has 5 rows, and the episode has 6 frames",
    ),
    "pictures that are none": (
        lambda folder: change(
            folder / "data/main_data.hdf5",
            replaced("observations/pixels", data=np.zeros((7, 9), np.uint8)),
        ),
        "'observations/pixels', row 0 has a damaged image, neither PNG nor",
    ),
}


ARROW: dict[str, tuple[Callable[[Path], None], str]] = {
    "compressed buffers": (
        lambda path: foreign_sets.write_columns(
            path, foreign_sets.minari_columns(1), "zstd"
        ),
        "part-0.arrow is compressed or has dictionaries",
    ),
    "unequal lengths": (
        lambda path: foreign_sets.write_columns(
            path, foreign_sets.minari_columns(1).slice(0, 4)
        ),
        "column '.*' has 4 rows, and the episode has 5 frames",
    ),
    "a missing column": (
        lambda path: foreign_sets.write_columns(
            path, foreign_sets.minari_columns(1).drop_columns(["actions"])
        ),
        "Unknown entry 'actions'. Did you mean",
    ),
    "two columns of one name": (
        lambda path: foreign_sets.write_columns(
            path,
            foreign_sets.minari_columns(1).append_column(
                "actions", foreign_sets.minari_columns(1)["actions"]
            ),
        ),
        "part-0.arrow: 2 entries are named 'actions'; each must have a different",
    ),
    "a file that is cut": (
        lambda path: path.write_bytes(path.read_bytes()[:300]),
        "part-0.arrow is damaged or cut short",
    ),
    **{
        f"{name}, not a text": (
            lambda path, name=name: path.write_bytes(
                path.read_bytes().replace(name.encode(), b"\xeb" + name.encode()[1:])
            ),
            "part-0.arrow is damaged or cut short: .*'utf-8' codec",
        )
        for name in ("actions", "pixels")  # A column, and a part of one.
    },
    "a file of another kind": (
        lambda path: path.write_bytes(b"\x80\x04N."),
        "part-0.arrow is not an Arrow file",
    ),
    "a file that is missing": (lambda path: path.unlink(), "part-0.arrow is missing"),
}


def _in_part(damage: Callable[[Path], object], folder: Path) -> None:
    damage(folder / PART)


FAULTS: dict[tuple[str, str], tuple[Callable[[Path], object], str]] = {
    **{("lerobot-video", each): fault for each, fault in LEROBOT.items()},
    **{
        ("can.hdf5", each): (partial(change, edit=damage), said)
        for each, (damage, said) in HDF5.items()
    },
    **{("minari", each): fault for each, fault in MINARI.items()},
    **{
        ("minari-arrow", each): (partial(_in_part, damage), said)
        for each, (damage, said) in ARROW.items()
    },
}
"""Function that damages a data set, and the message, by data set and fault."""


@pytest.mark.parametrize(("name", "fault"), FAULTS)
def test_unsound_data_is_refused(
    made: Path, tmp_path: Path, name: str, fault: str
) -> None:
    damage, said = FAULTS[name, fault]
    source = tmp_path / name
    if (made / name).is_dir():
        shutil.copytree(made / name, source)
    else:
        shutil.copyfile(made / name, source)
    damage(source)
    config = ImportConfig(features=STATE if name == "can.hdf5" else ())
    with pytest.raises(InputError, match=said):
        import_data(source, tmp_path / "out", config)
    assert not (tmp_path / "out/meta").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("state=obs/objects",),
            "Unknown column 'obs/objects'. Did you mean 'obs/object'?",
        ),
        (("state",), "'state' names no column; write FEATURE=COLUMN"),
        (
            ("state=agentview_image",),
            "'state' needs vectors, but one of its columns contains images",
        ),
        (("image.top=object",), "'image.top' needs one column of images"),
        (
            ("image/top=agentview_image",),
            "'image/top' is not a valid name of a feature",
        ),
        (("success=object",), "'success' needs one column of one number per frame"),
        (("success=dones", "action="), "No column is known to be the action; name it"),
        (
            ("success=obs/robot0_gripper_qpos",),
            "neither 0 nor 1; name a column of succ",
        ),
    ],
)
def test_unfit_choices_of_columns_are_refused(
    made: Path, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        check_source(made / "can.hdf5", ImportConfig(features=words))


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("robots", ["UR5e"], "robot is Panda in .*a.hdf5 and UR5e in .*b.hdf5; import"),
        ("control_freq", 10, "fps is 20.0 in .*a.hdf5 and 10.0 in .*b.hdf5; import"),
    ],
)
def test_robomimic_files_of_different_robots_or_rates_are_refused(
    tmp_path: Path, setting: str, value: object, message: str
) -> None:
    for name in ("a", "b"):
        foreign_sets.robomimic(tmp_path / f"{name}.hdf5")
    with h5py.File(tmp_path / "b.hdf5", "a") as file:
        env = json.loads(file["data"].attrs["env_args"])
        env["env_kwargs"][setting] = value
        file["data"].attrs["env_args"] = json.dumps(env)
    with pytest.raises(InputError, match=message):
        check_source(tmp_path, ImportConfig())


def test_a_rate_that_only_a_later_robomimic_file_records_is_kept(
    tmp_path: Path,
) -> None:
    for name in ("a", "b"):
        foreign_sets.robomimic(tmp_path / f"{name}.hdf5")
    with h5py.File(tmp_path / "a.hdf5", "a") as file:
        file["data"].attrs["env_args"] = json.dumps({"env_name": "PickPlaceCan"})
    about = Robomimic(tmp_path).about
    assert (about.robot, about.fps) == ("Panda", 20.0)


def test_unknown_formats_and_folders_are_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; give the file or folder"):
        check_source(tmp_path / "none")
    with pytest.raises(InputError, match=r"no known format. Looked for meta/info"):
        check_source(tmp_path)
    shutil.copytree(made / "lerobot-video", tmp_path / "several" / "one")
    with pytest.raises(InputError, match="known format and contains other folders"):
        check_source(tmp_path / "several")
    (tmp_path / "text.txt").write_text("a")
    with pytest.raises(InputError, match="text.txt is not HDF5, or cut short"):
        check_source(tmp_path / "text.txt")
    with pytest.raises(InputError, match="is not empty and not a data set"):
        import_data(made / "can.hdf5", tmp_path)
    with pytest.raises(InputError, match="is a data set that robomtl did not import"):
        import_data(made / "can.hdf5", made / "lerobot-video")
    with pytest.raises(InputError, match="fps is -1; give a number above 0"):
        replace(ImportConfig(), fps=-1.0)
