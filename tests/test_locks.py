"""Trainings in several threads of a process, which share torch's random generator."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from robomtl import checkpoint
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.execution.locks import training_alone
from robomtl.suites import suite
from robomtl.training import TrainConfig, train

pytestmark = pytest.mark.usefixtures("forked_workers")

QUICK = TrainConfig(steps=3, batch_size=8, threads=1, precision="float32")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, config = tmp_path_factory.mktemp("data"), CollectionConfig(episodes=2)
    points, one = suite("points/MT4"), Compute(workers=1)
    return collect(points, folder / "points", config=config, compute=one)


def test_trainings_in_two_threads_end_with_the_weights_of_one_alone(
    data, tmp_path, monkeypatch, capsys
):
    build = checkpoint.build

    def slowly(card):  # Others may draw between the seed and the first weights.
        time.sleep(0.2)
        return build(card)

    monkeypatch.setattr(checkpoint, "build", slowly)

    def trained(name, seed):
        return train(
            data,
            out=tmp_path / name,
            policy="mlp",
            policy_config={"width": 16, "layers": 1, "task_width": 16},
            config=replace(QUICK, seed=seed),
        ).fingerprint

    alone = [trained("alone-0", 0), trained("alone-1", 1)]
    with ThreadPoolExecutor(2) as threads:
        beside = [*threads.map(trained, ["beside-0", "beside-1"], [0, 1])]
    assert beside == alone
    assert "Waiting for a training in another thread" in "".join(capsys.readouterr())
    with ThreadPoolExecutor(1) as threads, training_alone():  # Nor does reading wait.
        read = threads.submit(checkpoint.load, tmp_path / "alone-0").result(60)
    assert read.fingerprint == alone[0]
