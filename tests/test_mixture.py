"""Policies that learn from several data sets."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from broken_sets import WORDS, episodes, header
from test_cli import refusal

import robomtl
from robomtl import checkpoint
from robomtl.cli.collect import Collect
from robomtl.cli.main import main
from robomtl.conditioning import (
    Conditioning,
    InstructionAugmentation,
    InstructionEmbeddings,
)
from robomtl.demonstrations import CollectionConfig, Demonstrations, Mixture, collect
from robomtl.demonstrations.collect_missing import data_sets_in, parts_of
from robomtl.demonstrations.layout import Sizes
from robomtl.demonstrations.writing import write
from robomtl.envs.points import PointsSuite
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.features import Embodiment, vector_embodiment
from robomtl.policy import EMBODIMENT
from robomtl.training.augmentation import Augmentation
from robomtl.training.mixed import mixed_frames
from robomtl.training.objective import Cloning, Material

pytestmark = pytest.mark.usefixtures("forked_workers")

CPU = torch.device("cpu")
CONFIG = robomtl.TrainConfig(
    steps=4, batch_size=32, precision="float32", threads=1, device="cpu", seed=1
)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two data sets of one suite, whose tasks overlap, and one of another robot."""
    folder = tmp_path_factory.mktemp("sets")
    suite = robomtl.suite("points/ML4")
    for name, tasks in (
        ("a", ["reach-red", "reach-blue"]),
        ("b", ["reach-blue", "reach-green"]),
    ):
        collect(
            suite,
            folder / name,
            config=CollectionConfig(episodes=3, tasks=tasks),
            compute=Compute(workers=1),
        )
    longer = [
        each._replace(
            state=np.pad(each.state, ((0, 0), (0, 27))),
            action=np.pad(each.action, ((0, 0), (0, 3))),
        )
        for each in episodes()
    ]
    write(folder / "c", header()._replace(sizes=Sizes(30, 5, 20)), longer)
    (folder / "c/meta/robomtl.json").unlink()
    return [folder / name for name in "abc"]


def mixed(paths, weights=None):
    return Mixture([Demonstrations(path) for path in paths], weights)


def draws(data: Demonstrations | Mixture, weights=None):
    conditioning = Conditioning(kinds=("one_hot",), tasks=data.tasks)
    words = [(data.instructions[task],) for task in data.tasks]
    material = Material(
        frames=mixed_frames(data, [range(len(each)) for each in data.sets], CPU),
        wordings=InstructionEmbeddings(conditioning, words, InstructionAugmentation()),
        conditioning=conditioning,
        chunk=2,
        weights=data.weights,
    )
    return Cloning().draws(material, CONFIG)


def test_tasks_of_one_suite_name_and_instruction_are_one(sets: list[Path]) -> None:
    mixture = mixed(sets[:2])
    assert mixture.tasks == ("reach-red", "reach-blue", "reach-green")
    assert [mixture.task_indices(i).tolist() for i in range(2)] == [[0, 1], [1, 2]]
    assert mixture.suite == "points/ML4"
    assert len(mixture) == 12


def test_other_tasks_of_one_name_are_distinguished(tmp_path: Path) -> None:
    for name in ("a", "b", "b/a"):
        write(tmp_path / name / "set", header(), episodes())
        about = tmp_path / name / "set/meta/robomtl.json"
        if name != "a":
            about.unlink()
    other = tmp_path / "other"
    write(other, header(), episodes())
    path = other / "meta/robomtl.json"
    path.write_text(path.read_text().replace("doors/MT2", "gates/MT2"))
    mixture = mixed([tmp_path / "a/set", other])
    assert mixture.tasks[:2] == ("doors/MT2/open-door", "doors/MT2/shut-door")
    assert mixture.tasks[2:] == ("gates/MT2/open-door", "gates/MT2/shut-door")
    assert mixture.suite == "joint/doors/MT2+gates/MT2"
    alike = mixed([tmp_path / "b/set", tmp_path / "b/a/set"])
    assert alike.tasks == WORDS  # Of no suite, and so of the same.


def test_a_mixture_of_one_trains_to_the_weights_of_its_data_set(
    sets: list[Path], tmp_path: Path
) -> None:
    weights = [
        robomtl.train(data, out=tmp_path / name, config=CONFIG).policy.state_dict()
        for name, data in (
            ("alone", Demonstrations(sets[0])),
            ("mixed", mixed(sets[:1])),
        )
    ]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_samples_are_drawn_in_proportion_to_the_weights(sets: list[Path]) -> None:
    mixture = mixed(sets, weights=[1.0, 2.0, 5.0])
    sampler = draws(mixture)
    batch = sampler.batch(0, 20_000)
    counts = torch.bincount(batch.task, minlength=5) / 20_000
    expected = torch.tensor([0.5 / 8, 0.5 / 8 + 1 / 8, 1 / 8, 2.5 / 8, 2.5 / 8])
    assert torch.allclose(counts, expected, atol=0.015)
    assert torch.equal(batch.task, draws(mixture).batch(0, 20_000).task)
    together = draws(mixed(sets)).batch(0, 20_000)
    counts = torch.bincount(together.task, minlength=5) / 20_000
    assert torch.allclose(counts, torch.full((5,), 0.2), atol=0.015)
    even = draws(mixture).evenly().batch(0, 200)
    assert torch.bincount(even.task).tolist() == [40] * 5


def test_samples_know_their_robot_and_end_in_zeros(sets: list[Path]) -> None:
    mixture = mixed([sets[0], sets[2]])
    batch = draws(mixture).batch(3, 200)
    robot = batch.observation[EMBODIMENT]
    assert torch.equal(robot, (batch.task >= 2).long())
    size = Demonstrations(sets[0]).state.shape[1]
    assert batch.observation["state"].shape == (200, 30)
    assert batch.action.shape == (200, 2, 5)
    short = robot == 0
    assert not batch.observation["state"][short, size:].any()
    assert not batch.action[short, :, 2:].any()
    known = Demonstrations(sets[0]).state
    for state in batch.observation["state"][short][:5, :size].numpy():
        assert (known == state).all(1).any()


def test_robots_that_differ_train_one_policy(sets: list[Path], tmp_path: Path) -> None:
    mixture = mixed(sets, weights=[1, 1, 2])
    trained = robomtl.train(mixture, out=tmp_path / "run", config=CONFIG)
    assert [each.name for each in trained.card.spec.embodiments] == ["points", "doors"]
    assert trained.card.suite == ""
    run = json.loads((tmp_path / "run/run.json").read_text())
    assert run["data"]["episodes"] == 16
    assert [each["weight"] for each in run["data"]["sets"]] == [1, 1, 2]
    assert run["data"]["sets"][0]["sha256"] == Demonstrations(sets[0]).fingerprint
    again = robomtl.train(mixture, out=tmp_path / "run", config=CONFIG)
    assert (
        again.fingerprint
        == trained.fingerprint
        == checkpoint.load(tmp_path / "run").fingerprint
    )
    other = mixed(sets, weights=[1, 1, 3])
    with pytest.raises(InputError, match="data"):
        robomtl.train(other, out=tmp_path / "run", config=CONFIG)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "There are 1 weights for 2 data sets; give one for each"),
        ([1.0, 0.0], "The weight of .*/b is 0; give a number above 0, or leave"),
        ([-1.0, 1.0], "The weight of .*/a is -1; give a number above 0"),
        ([1.0, float("nan")], "The weight of .*/b is nan"),
    ],
)
def test_weights_of_nothing_are_refused(
    weights: list[float], message: str, sets: list[Path]
) -> None:
    with pytest.raises(InputError, match=message):
        mixed(sets[:2], weights)


def test_a_mixture_of_nothing_or_of_one_twice_is_refused(sets: list[Path]) -> None:
    with pytest.raises(
        InputError, match="The mixture has no data set; give at least 1"
    ):
        mixed([])
    with pytest.raises(
        InputError, match="has .*/a twice; give it once, with a greater"
    ):
        mixed([sets[0], sets[1], sets[0]])


def test_weights_without_cloning_and_augmentation_of_several_are_refused(
    sets: list[Path], tmp_path: Path
) -> None:
    mixture = mixed(sets[:2], [1, 2])
    with pytest.raises(InputError, match="objective 'maml' draws problems of its own"):
        robomtl.train(mixture, out=tmp_path / "run", objective="maml", config=CONFIG)
    moved = replace(CONFIG, augmentation=Augmentation(translation=0.1))
    with pytest.raises(InputError, match="single data set, and there are 2; leave it"):
        robomtl.train(mixed(sets[:2]), out=tmp_path / "run", config=moved)


def test_the_command_line_trains_on_several_data_sets(
    sets: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data", str(sets[0]), str(sets[1])]
    rest = ["--out", str(tmp_path / "run"), "--steps", "2", "--device", "cpu"]
    assert main(["train", *data, "--weights", "1", "3", *rest]) == 0
    run = json.loads((tmp_path / "run/run.json").read_text())
    assert [each["weight"] for each in run["data"]["sets"]] == [1, 3]
    said = refusal(capsys, "train", *data, "--weights", "1", *rest)
    assert "There are 1 weights for 2 data sets" in said
    said = refusal(capsys, "train", "--suite", "points/MT4", "--weights", "1", *rest)
    assert "--weights applies to recorded data sets; give --data DIR" in said


def test_a_folder_stands_for_the_data_sets_in_it(
    sets: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert data_sets_in(sets[0].parent) == sets
    assert data_sets_in(sets[0]) == [sets[0]]
    assert data_sets_in(tmp_path) == [tmp_path]
    said = refusal(capsys, "train", "--data", tmp_path, "--out", tmp_path / "run")
    assert "is not a data set: meta/info.json is missing" in said


class TwoRobots(PointsSuite):
    """Points of which one task is another robot's."""

    def embodiment(self, task: str) -> Embodiment:
        name = "second arm" if task == "reach-blue" else "first"
        return vector_embodiment(state=10, action=2, name=name)


def test_a_suite_with_two_robots_gives_a_data_set_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = TwoRobots(variant="ML4")
    tasks = ["reach-red", "reach-blue", "reach-green"]
    assert [(part.name, part.tasks) for part in parts_of(suite, tasks)] == [
        ("first", ("reach-red", "reach-green")),
        ("second arm", ("reach-blue",)),
    ]
    monkeypatch.setattr(Collect, "make", lambda *_: suite)
    words = ["--tasks", *tasks, "--episodes", "1", "--workers", "1"]
    assert main(["collect", "points/ML4", *words, "--out", str(tmp_path / "both")]) == 0
    data = [Demonstrations(path) for path in data_sets_in(tmp_path / "both")]
    assert [each.tasks for each in data] == [
        ("reach-red", "reach-green"),
        ("reach-blue",),
    ]
