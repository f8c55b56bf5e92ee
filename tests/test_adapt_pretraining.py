from dataclasses import replace

import pytest
from families import SUITE, Here

from robomtl.checkpoint import load
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.experiments.adapt.pretraining import Training, learned, train_all
from robomtl.training import TrainConfig

pytestmark = pytest.mark.usefixtures("forked_workers")

CONFIG = TrainConfig(steps=3, batch_size=16, threads=1, precision="float32")
SMALL = {"width": 16, "blocks": 1}


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    return collect(
        SUITE,
        tmp_path_factory.mktemp("data"),
        config=CollectionConfig(episodes=3),
        compute=Compute(workers=1),
    )


def two(folder, config=CONFIG):
    return [
        Training(
            out=folder / objective / "seed-0",
            objective=objective,
            policy_config=SMALL,
            config=config,
        )
        for objective in ("cloning", "context")
    ]


@pytest.mark.slow
def test_policies_trained_side_by_side_are_those_trained_one_by_one(
    demonstrations, tmp_path
):
    train_all(
        demonstrations, two(tmp_path / "side"), episodes=2, compute=Compute(workers=2)
    )
    few = demonstrations.select(per_task=2)
    for alone, beside in zip(
        two(tmp_path / "one"), two(tmp_path / "side"), strict=True
    ):
        assert learned(alone, few).fingerprint == load(beside.out).fingerprint


def test_policies_that_are_finished_are_only_read(demonstrations, tmp_path):
    for training in two(tmp_path):
        learned(training, demonstrations)
    train_all(demonstrations, two(tmp_path), compute=Compute(executor=Here(stop=0)))


def test_a_folder_of_another_training_is_refused(demonstrations, tmp_path):
    for training in two(tmp_path):
        learned(training, demonstrations)
    with pytest.raises(ValueError, match=r"begun with other settings.*training.seed"):
        train_all(demonstrations, two(tmp_path, replace(CONFIG, seed=1)))


@pytest.mark.slow
def test_a_policy_that_diverges_is_named_with_why(demonstrations, tmp_path):
    wild = replace(CONFIG, learning_rate=1e38, steps=50)
    with pytest.raises(FloatingPointError, match=r"seed-0: The loss is nan. Step \d"):
        train_all(demonstrations, two(tmp_path, wild)[:1], compute=Compute(workers=1))
