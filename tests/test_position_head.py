"""Auxiliary losses on positions, which only training uses."""

from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

import robomtl
from robomtl.cli.flags import SuiteFlags
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.layers.vision import Vision
from robomtl.policy import Batch
from robomtl.training.auxiliary import Auxiliary
from robomtl.training.image_augmentation import ImageAugmentation
from robomtl.training.parameter_groups import grouped
from robomtl.training.position_head import PositionHead, _shown

pytestmark = pytest.mark.usefixtures("forked_workers")

pytest.importorskip("av")
CONFIG = robomtl.TrainConfig(
    steps=4,
    batch_size=16,
    precision="float32",
    threads=1,
    device="cpu",
    schedule="constant",
    features=("top",),
    vision=Vision(encoder="strided", features=16),
    auxiliary=Auxiliary(positions=2.0),
    image_augmentation=ImageAugmentation(shift=2, colour=0.1),
    save_every=1,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("positions") / "data"
    suite = SuiteFlags(images=16).make("points/MT4")
    tasks = [task.name for task in suite.train_tasks[:2]]
    collect(
        suite,
        folder,
        config=CollectionConfig(episodes=2, tasks=tasks),
        compute=Compute(workers=1),
    )
    return Demonstrations(folder, observe=("state", "top"))


def test_positions_are_learned_from_images_and_left_out_of_the_checkpoint(
    data, tmp_path
):
    trained = robomtl.train(data, out=tmp_path / "run", config=CONFIG)
    assert trained.policy.auxiliary is None
    assert not [n for n in trained.policy.state_dict() if "auxiliary" in n]
    assert [*trained.card.spec.embodiments[0].observation] == ["top"]
    image = torch.zeros(1, 16, 16, 3, dtype=torch.uint8)
    task_embedding = torch.zeros(1, trained.card.spec.embedding)
    chunk, _ = trained.policy.act({"top": image}, task_embedding, None)
    assert chunk.shape == (1, 1, 2)
    with safe_open(tmp_path / "run" / "training.safetensors", "pt") as kept:
        assert "policy.auxiliary.layers.0.weight" in kept.keys()  # noqa: SIM118
    without = replace(CONFIG, auxiliary=Auxiliary())
    other = robomtl.train(data, out=tmp_path / "without", config=without)
    weight = "observer.images.top.layers.0.convolution.weight"
    both = (each.policy.state_dict()[weight] for each in (trained, other))
    assert not torch.equal(*both)


def test_a_resumed_run_ends_with_the_same_weights(data, tmp_path):
    whole = robomtl.train(data, out=tmp_path / "whole", config=CONFIG)
    few = replace(CONFIG, steps=2)
    robomtl.train(data, out=tmp_path / "parts", config=few)
    resumed = robomtl.train(data, out=tmp_path / "parts", config=CONFIG)
    for name, value in whole.policy.state_dict().items():
        assert torch.equal(value, resumed.policy.state_dict()[name]), name


def test_the_head_learns_where_things_are_and_the_loss_is_added():
    torch.manual_seed(0)
    shown = torch.tensor([[1.0, 1, 0], [0, 1, 1]])
    head = PositionHead(4 + 2, shown)
    head.normaliser.fit(torch.randn(50, 3) * 2 + 1)
    state = torch.randn(8, 3)
    batch = Batch(
        observation={"state": state},
        action=torch.zeros(8, 1, 2),
        mask=torch.ones(8, 1),
        task_embedding=torch.zeros(8, 2),
        task=torch.arange(8) % 2,
    )
    encoded = {"top": torch.randn(8, 2, 2)}
    predicted = head(encoded, batch.task_embedding)
    error, off = head.loss(encoded, batch)
    distance = (predicted - head.normaliser(state)).abs()
    smooth = torch.where(distance < 1, distance.square() / 2, distance - 0.5)
    expected = (smooth * shown[batch.task]).sum(1) / 2
    assert torch.allclose(error, expected)
    meters = distance * head.normaliser.std * shown[batch.task]
    assert torch.allclose(off, meters.sum() / 16)


def test_the_head_is_trained_whichever_parts_of_the_policy_are(data, tmp_path):
    trained = robomtl.train(data, out=tmp_path / "run", config=CONFIG)
    policy = trained.policy.requires_grad_(True)
    policy.auxiliary = PositionHead(4, torch.ones(2, 3))
    (group,) = grouped(policy, replace(CONFIG, train=("trunk",)))
    parts = {name.partition(".")[0] for name in group.names}
    assert parts == {"auxiliary", "trunk"}


def test_positions_and_the_goal_of_each_task_are_marked(data):
    shown = _shown(data, 12)
    assert shown.shape == (2, 12) and shown.min() == 1  # Points hold nothing else.


@pytest.mark.parametrize(
    ("change", "objective", "message"),
    [
        ({"features": ("state",)}, None, "the policy observes none; observe a camera"),
        ({}, "maml", "needs the objective cloning, not maml"),
    ],
)
def test_positions_are_refused_without_images_or_cloning(
    change, objective, message, data, tmp_path
):
    config = replace(
        CONFIG, vision=Vision(), image_augmentation=ImageAugmentation(), **change
    )
    with pytest.raises(InputError, match=message):
        robomtl.train(data, out=tmp_path / "run", objective=objective, config=config)
    assert not (tmp_path / "run").exists()


def test_a_suite_that_names_no_positions_is_refused(data, tmp_path, monkeypatch):
    monkeypatch.delattr(type(robomtl.suite("points/MT4")), "positions")
    with pytest.raises(
        InputError, match=r"points/MT4 lacks the method positions\(task"
    ):
        robomtl.train(data, out=tmp_path / "run", config=CONFIG)
    with pytest.raises(InputError, match="positions is -1.0; give 0 or more"):
        Auxiliary(positions=-1.0)
