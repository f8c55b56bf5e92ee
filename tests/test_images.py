"""Data sets of several features: images as videos, and further vectors."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from broken_sets import DATA, EPISODES, INFO, edit, episodes, feature, having, header
from safetensors.torch import save_file
from small_timm import Small, stand_in

import robomtl
from robomtl.adaptation.fitting import check_fit
from robomtl.cli.flags import SuiteFlags
from robomtl.cli.train import main
from robomtl.conditioning import (
    Conditioning,
    InstructionAugmentation,
    InstructionEmbeddings,
)
from robomtl.demonstrations import (
    CollectionConfig,
    Demonstrations,
    Mixture,
    collect,
    frame_file,
)
from robomtl.demonstrations.blocks import SOLVED, Block
from robomtl.demonstrations.layout import Sizes
from robomtl.demonstrations.writing import write
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.layers.vision import Vision
from robomtl.training.augmentation import Augmentation
from robomtl.training.encoded_frames import encoded_once
from robomtl.training.image_augmentation import ImageAugmentation
from robomtl.training.material import materials
from robomtl.training.mixed import mixed_frames
from robomtl.training.objective import Cloning
from robomtl.training.samples import Sampler, SamplerConfig

pytest.importorskip("av")
CPU = torch.device("cpu")
TOP = "observation.images.top"
VIDEO = "videos/observation.images.top/chunk-000/file-000.mp4"
SHAPE = (16, 24, 3)
CONFIG = robomtl.TrainConfig(
    steps=2, batch_size=8, precision="float32", threads=1, device="cpu"
)


def picture(number: int) -> Any:
    """An image that shows its number by its colours."""
    image = np.zeros(SHAPE, np.uint8)
    image[:, :12], image[:, 12:] = (10 * number, 40, 200), (20, 10 * number, 90)
    return image


def seen() -> list[Any]:
    found, first = [], 0
    for each in episodes():
        count = len(each.state)
        images = np.stack([picture(first + step) for step in range(count)])
        force = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
        found.append(each._replace(others={"top": images, "force": force}))
        first += count
    return found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "own"
    others = (("force", (2,)), ("top", SHAPE))
    write(folder, header()._replace(sizes=Sizes(3, 2, 20, others)), seen())
    (folder / "meta/robomtl.json").unlink()
    return folder


@pytest.fixture
def own(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "own"))


@pytest.fixture(params=["memory", "file"])
def placed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Storage of frames: in memory or in a file."""
    monkeypatch.setenv("ROBOMTL_CACHE", str(tmp_path / "cache"))
    if request.param == "file":
        monkeypatch.setattr(frame_file, "LIMIT", 0)
        monkeypatch.setattr("robomtl.demonstrations.kept_frames.LIMIT", 0)
    return str(request.param)


ALL = ("state", "force", "top")


def sampler(data: Any) -> Sampler:
    conditioning = Conditioning(kinds=("one_hot",), tasks=data.tasks)
    words = [(data.instructions[task],) for task in data.tasks]
    return Sampler(
        mixed_frames(data, [range(len(each)) for each in data.sets], CPU),
        InstructionEmbeddings(conditioning, words, InstructionAugmentation()),
        conditioning,
        chunk=2,
        config=SamplerConfig(seed=0, temperature=1.0),
    )


def test_images_and_vectors_read_back(own: Path, placed: str) -> None:
    data = Demonstrations(own, observe=ALL)
    assert isinstance(data.columns, frame_file.Records) == (placed == "file")
    expected = np.stack([picture(i) for i in range(22)]).astype(int)
    images = np.asarray(data.columns["observation.images.top"]).astype(int)
    assert images.shape == (22, *SHAPE)
    assert np.abs(images - expected).mean() < 4  # Videos lose a little.
    assert data.columns["observation.force"][:3].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert [*data.embodiment.images] == ["top"]
    assert data.embodiment.states == {"state": 3, "force": 2}
    assert "policies observe observation.state" not in " ".join(data.notes)
    alone = Demonstrations(own)
    assert "observation.force, observation.images.top; policies" in alone.notes[0]
    assert data.fingerprint != alone.fingerprint


def test_videos_are_decoded_in_stretches_of_any_length(
    own: Path, placed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = np.asarray(Demonstrations(own, observe=ALL).columns[TOP])
    shutil.rmtree(Path(os.environ["ROBOMTL_CACHE"]), ignore_errors=True)
    monkeypatch.setattr("robomtl.demonstrations.videos._STRETCH", 3)
    again = np.asarray(Demonstrations(own, observe=ALL).columns[TOP])
    assert np.array_equal(again, whole)
    (own / VIDEO).write_bytes((own / VIDEO).read_bytes()[:-200])
    with pytest.raises(InputError, match="file-000.mp4 is damaged or cut short"):
        Demonstrations(own, observe=ALL)


def test_batches_hold_the_images_of_their_frames(own: Path, placed: str) -> None:
    data = Demonstrations(own, observe=ALL)
    batch = sampler(data).batch(0, 40)
    image, state = batch.observation["top"], batch.observation["state"]
    assert image.dtype == torch.uint8 and image.shape == (40, *SHAPE)
    for row in range(40):
        frame = int((data.state == state[row].numpy()).all(1).argmax())
        assert np.abs(image[row].numpy().astype(int) - picture(frame)).mean() < 6
    few = data.take([2])
    assert few._contents.column("observation.images.top").shape == (5, *SHAPE)
    mixed = sampler(Mixture([data])).batch(0, 40)
    assert torch.equal(mixed.observation["top"], image)


def test_a_history_holds_the_observations_before_and_repeats_the_first(
    own: Path, placed: str
) -> None:
    data = Demonstrations(own, observe=ALL)
    conditioning = Conditioning(kinds=("one_hot",), tasks=data.tasks)
    material, _ = materials(data, conditioning, CONFIG, chunk=2, history=3)
    batch = Cloning().draws(material, CONFIG).batch(0, 60)
    single = sampler(data).batch(0, 1).observation
    state = batch.observation["state"]
    assert state.shape == (60, 3, 3) and batch.observation["top"].shape[1:] == (
        3,
        *SHAPE,
    )
    assert batch.observation["top"].dtype == single["top"].dtype
    ends = data.episodes.start
    for row in range(60):
        now, before, first = (
            int((data.state == state[row, time].numpy()).all(1).argmax())
            for time in (2, 1, 0)
        )
        start = int(ends[ends <= now].max())
        assert (before, first) == (max(now - 1, start), max(now - 2, start))
        assert np.array_equal(batch.action[row, 0].numpy(), data.action[now])
    moved = replace(CONFIG, augmentation=Augmentation(translation=0.1))
    with pytest.raises(InputError, match="history is 3; leave one of them out"):
        materials(data, conditioning, moved, chunk=2, history=3)


def test_a_support_must_have_what_the_policy_observes(
    own: Path, tmp_path: Path
) -> None:
    data = Demonstrations(own, observe=ALL)
    trained = robomtl.train(
        data, out=tmp_path / "run", conditioning=("none",), config=CONFIG
    )
    few = Demonstrations(own).select([data.tasks[0]])
    with pytest.raises(InputError, match="has no feature 'force' .*, but state"):
        check_fit(trained.card, few)


def test_a_policy_learns_from_images(own: Path, tmp_path: Path, placed: str) -> None:
    data = Demonstrations(own, observe=ALL)
    trained = robomtl.train(
        data, out=tmp_path / "run", conditioning=("one_hot",), config=CONFIG
    )
    assert [*trained.card.spec.images] == ["top"]
    moved = replace(CONFIG, augmentation=Augmentation(translation=0.1))
    with pytest.raises(
        InputError, match="and not observation.force, observation.images"
    ):
        robomtl.train(data, out=tmp_path / "moved", config=moved)


def test_a_frozen_encoder_reads_every_image_once(
    own: Path, tmp_path: Path, placed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    save_file(Small().state_dict(), tmp_path / "small.safetensors")
    vision = Vision(
        encoder="timm:small",
        features=16,
        weights=str(tmp_path / "small.safetensors"),
        frozen=True,
    )
    config = replace(CONFIG, vision=vision)
    data = Demonstrations(own, observe=ALL)
    trained = robomtl.train(
        data, out=tmp_path / "run", conditioning=("one_hot",), config=config
    )
    material, _ = materials(data, trained.card.conditioning, config, chunk=1)
    encoded = encoded_once(material, trained.policy, config)
    draws = [Cloning().draws(each, config).batch(0, 30) for each in (material, encoded)]
    image, kept = (each.observation["top"] for each in draws)
    encoder = trained.policy.observer.encoder("top")
    assert kept.dtype == torch.float16 and kept.shape == (30, 32, 2, 3)
    assert torch.allclose(kept.float(), encoder.represent(image), atol=1e-2)
    losses = [trained.policy.loss(each).per_sample for each in draws]
    assert torch.allclose(*losses, atol=1e-2)
    varied = replace(config, image_augmentation=ImageAugmentation(shift=1))
    assert encoded_once(material, trained.policy, varied) is material
    if placed == "file":
        monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
        torch.nn.init.zeros_(encoder.backbone.stem.weight)  # Other weights, other maps.
        with pytest.raises(InputError, match="frozen encoder.s maps of 22 frames take"):
            encoded_once(material, trained.policy, config)


def test_the_vision_of_a_run_is_recorded_and_kept(own: Path, tmp_path: Path) -> None:
    words = f"--data {own} --observe state top --out {tmp_path / 'run'} --steps 2"
    words += " --conditioning one_hot --batch-size 8 --precision float32 --threads 1"
    main(f"{words} --vision.encoder strided --vision.features 16".split())
    trained = robomtl.load(tmp_path / "run")
    assert trained.card.spec.vision == Vision(encoder="strided", features=16)
    assert trained.card.spec.inputs == 3 + 16
    start = f" --start {tmp_path / 'run'} --out {tmp_path / 'next'}"
    main((words + start).split())
    assert robomtl.load(tmp_path / "next").card.spec.vision == trained.card.spec.vision
    with pytest.raises(
        InputError, match=r"vision\.features\) is 16 in the folder and 32 now"
    ):
        main(f"{words} --vision.encoder strided --vision.features 32".split())


def test_the_layout_is_that_of_lerobot(own: Path) -> None:
    info = json.loads((own / INFO).read_text())
    assert info["video_path"].startswith("videos/{video_key}/chunk-{chunk_index:03d}/")
    described = info["features"]["observation.images.top"]
    assert (described["dtype"], described["shape"]) == ("video", list(SHAPE))
    assert described["names"] == ["height", "width", "channels"]
    rows = pq.read_table(own / EPISODES).to_pylist()
    place = [f"videos/observation.images.top/{n}_timestamp" for n in ("from", "to")]
    assert [[row[n] for n in place] for row in rows] == [
        [0, 4 / 20],
        [4 / 20, 11 / 20],
        [11 / 20, 16 / 20],
        [16 / 20, 22 / 20],
    ]
    mean = json.loads((own / "meta/stats.json").read_text())["observation.images.top"]
    assert np.array(mean["mean"]).shape == (3, 1, 1) and max(mean["max"])[0][0] <= 1
    columns = pq.read_schema(own / "data/chunk-000/file-000.parquet").names
    assert "observation.images.top" not in columns and "observation.force" in columns


def test_the_same_images_give_the_same_bytes(own: Path, tmp_path: Path) -> None:
    others = (("force", (2,)), ("top", SHAPE))
    write(tmp_path / "b", header()._replace(sizes=Sizes(3, 2, 20, others)), seen())
    assert (tmp_path / "b" / VIDEO).read_bytes() == (own / VIDEO).read_bytes()


def test_a_missing_camera_is_named(own: Path) -> None:
    with pytest.raises(InputError, match="'tip'. Did you mean 'top'"):
        Demonstrations(own, observe=("state", "tip"))
    with pytest.raises(InputError, match="observe is empty; name at least 1"):
        Demonstrations(own, observe=())
    with pytest.raises(InputError, match=r"Did you mean 'top'\? Known: [^.]*\.$"):
        Demonstrations(own, observe=("image.top",))


@pytest.mark.parametrize(
    ("described", "read"),
    [
        ({"dtype": "float32", "shape": [2]}, "observation.top"),
        ({"dtype": "image", "shape": [*SHAPE]}, TOP),
    ],
)
@pytest.mark.parametrize("last", ["observation.top", TOP])
def test_of_two_features_of_one_name_the_vector_is_read(
    described: Any, read: str, last: str, own: Path
) -> None:
    force = pq.read_table(own / DATA)["observation.force"].to_pylist()
    edit(own, DATA, having("observation.top", force))
    edit(own, INFO, feature("observation.top", described))
    features = json.loads((own / INFO).read_text())["features"]
    features[last] = features.pop(last)
    edit(own, INFO, having("features", features))
    data = Demonstrations(own, observe=("top",))
    assert data.columns.keys() == {"observation.state", "action", read}


def test_a_data_set_of_an_older_layout_lacks_what_is_requested(
    own: Path, tmp_path: Path
) -> None:
    write(tmp_path / "before", header(), episodes())
    for name, lacks in (("image.top", "images"), ("proprioception", "proprioception")):
        message = (
            f"has no {lacks}.*; collect with --cameras, or .* --images SIZE in place"
        )
        with pytest.raises(InputError, match=message):
            Demonstrations(tmp_path / "before", observe=(name,))
    with pytest.raises(
        InputError, match="observation feature of .*before 'top'.*state"
    ):
        Demonstrations(tmp_path / "before", observe=("state", "top"))
    edit(own, INFO, having("video_path", None))
    with pytest.raises(
        InputError, match="does not say where 'observation.images.top' lies"
    ):
        Demonstrations(own, observe=ALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "image"}, "is of type image; robomtl trains on images in"),
        ({"shape": [16, 24]}, r"has shape \[16, 24\]"),
        (
            {"shape": [3, 16, 24]},
            r"has shape \[3, 16, 24\]; it must be \(height, width",
        ),
        ({"shape": [16, 16, 3]}, "images of 16 x 24, and meta/info.json says 16 x 16"),
    ],
)
def test_images_that_are_described_wrongly_are_refused(
    change: Any, message: str, own: Path
) -> None:
    key = "observation.images.top"

    def described(info: Any) -> Any:
        info["features"][key] |= change
        return info

    edit(own, INFO, described)
    with pytest.raises(InputError, match=message):
        Demonstrations(own, observe=ALL)


def test_videos_that_are_missing_cut_short_or_too_short_are_refused(own: Path) -> None:
    whole = (own / VIDEO).read_bytes()
    (own / VIDEO).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="file-000.mp4 is damaged or cut short"):
        Demonstrations(own, observe=ALL)
    (own / VIDEO).unlink()
    with pytest.raises(
        InputError, match="file-000.mp4 is missing; the data set is inco"
    ):
        Demonstrations(own, observe=ALL)
    (own / VIDEO).write_bytes(whole)

    def late(columns: Any) -> Any:
        columns["videos/observation.images.top/from_timestamp"][3] = 3.0
        return columns

    edit(own, EPISODES, late)
    with pytest.raises(InputError, match="has no image 60, that of episode 3, step 0"):
        Demonstrations(own, observe=ALL)


@pytest.mark.parametrize("placed", ["file"], indirect=True)
def test_images_that_the_disk_has_no_room_for_are_refused_before_any_is_decoded(
    own: Path, placed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own / VIDEO).write_bytes(b"no video")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    message = (
        r"\(observation.images.top; 22 frames\) need 25,344 bytes .* has 10 free; set"
    )
    with pytest.raises(InputError, match=message):
        Demonstrations(own, observe=ALL)


def test_the_images_of_a_suite_are_collected(
    tmp_path: Path, forked_workers: None
) -> None:
    suite = SuiteFlags(images=16).make("points/MT4")
    collect(
        suite,
        tmp_path / "data",
        config=CollectionConfig(episodes=1, tasks=["reach-red"]),
        compute=Compute(workers=1),
    )
    data = Demonstrations(tmp_path / "data", observe=("state", "top"))
    assert data.embodiment.images["top"].shape == (16, 16, 3)
    assert data.embodiment.name == "points"
    env = suite.make_env("reach-red")
    observation, _ = env.reset(options={"variation": int(data.episodes.variation[0])})
    recorded = data.columns["observation.images.top"][0].astype(int)
    assert np.abs(recorded - observation["top"].astype(int)).mean() < 12


def test_units_of_a_collection_keep_their_images() -> None:
    block = Block(
        variation=np.array([0]),
        outcome=np.array([SOLVED], np.int8),
        length=np.array([2]),
        state=np.zeros((2, 3), np.float32),
        action=np.zeros((2, 2), np.float32),
        reward=np.zeros(2, np.float32),
        success=np.ones(2, bool),
        fps=np.array(10),
        horizon=np.array(-1),
        others={"top": np.zeros((2, *SHAPE), np.uint8)},
    )
    again = Block.of(block.arrays())
    assert [*again.others] == ["top"]
    before = {n: v for n, v in block.arrays().items() if not n.startswith("other.")}
    assert Block.of(before).others == {}
