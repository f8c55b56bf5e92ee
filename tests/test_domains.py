"""Objectives that align features with features of a target domain."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import robomtl
from robomtl.checkpoint import configure_objective
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.files.run_record import read_record
from robomtl.training.coral import coral
from robomtl.training.dann import reversal, reversed_gradient

pytestmark = pytest.mark.usefixtures("forked_workers")

CONFIG = robomtl.TrainConfig(
    steps=3,
    batch_size=16,
    precision="float32",
    threads=1,
    device="cpu",
    log_every=1,
    validation=0.0,
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Demonstrations:
    """Demonstrations of three tasks."""
    suite = robomtl.suite("points/MT4", horizon=40)
    tasks = ["reach-red", "reach-blue", "reach-flag"]
    out = tmp_path_factory.mktemp("source")
    return robomtl.collect(
        suite,
        out,
        config=robomtl.CollectionConfig(episodes=2, tasks=tasks),
        compute=robomtl.Compute(workers=1),
    )


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demonstrations of all tasks under a shift."""
    out = tmp_path_factory.mktemp("target")
    suite = robomtl.suite("shifted/object_bias=5/points/MT4", horizon=40)
    robomtl.collect(
        suite,
        out,
        config=robomtl.CollectionConfig(episodes=1),
        compute=robomtl.Compute(workers=1),
    )
    return out


def test_coral_is_the_distance_of_covariances() -> None:
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randn(9, 4, generator=generator) for _ in range(2))
    apart = np.cov(source.numpy().T) - np.cov(target.numpy().T)
    expected = np.linalg.norm(apart, "fro") ** 2 / (4 * 4**2)
    assert float(coral(source, target)) == pytest.approx(expected, rel=1e-5)
    assert float(coral(source, source + 3)) == pytest.approx(0, abs=1e-10)


def test_covariances_are_compared_in_float32_where_networks_compute_in_bfloat16() -> (
    None
):
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(64, 8, generator=generator)
    target = source * 1.002
    with torch.autocast("cpu", torch.bfloat16):
        found = coral(source, target)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(coral(source, target)), rel=1e-5)


def test_the_gradient_is_reversed_by_a_rate_that_rises_from_0_to_1() -> None:
    features = torch.ones(2, 3, requires_grad=True)
    passed = reversed_gradient(features, torch.tensor(0.25))
    assert torch.equal(passed, features)
    passed.sum().backward()
    assert features.grad is not None
    assert torch.allclose(features.grad, torch.full((2, 3), -0.25))
    rates = [float(reversal(torch.tensor(p))) for p in (0.0, 0.1, 1.0)]
    assert rates == pytest.approx([0, 0.4621, 0.9999], abs=1e-4)


@pytest.mark.parametrize("objective", ["coral", "dann"])
def test_what_is_aligned_depends_on_the_observations_of_the_target_alone(
    objective: str, source: Demonstrations, target: Path, tmp_path: Path
) -> None:
    settings = {"width": 16, "blocks": 1}

    def trained(name: str, weight: float) -> robomtl.checkpoint.TrainedPolicy:
        return robomtl.train(
            source,
            out=tmp_path / name,
            policy_config=settings,
            objective=objective,
            objective_config={"target": str(target), "weight": weight},
            config=CONFIG,
        )

    first, other = trained("aligned", 1.0), trained("not", 0.0)
    name = "trunk.0.inner.weight"
    weights = [each.policy.state_dict()[name] for each in (first, other)]
    assert not torch.equal(*weights)
    loaded = robomtl.load(tmp_path / "aligned")
    assert loaded.fingerprint == first.fingerprint


@pytest.mark.parametrize("objective", ["coral", "dann"])
def test_a_target_domain_without_data_is_refused(
    objective: str, source: Demonstrations, target: Path, tmp_path: Path
) -> None:
    def train(**settings: object) -> None:
        robomtl.train(
            source.select(["reach-red"]),
            out=tmp_path / "run",
            policy=str(settings.pop("policy", "mlp")),
            objective=objective,
            objective_config=settings,
            config=replace(CONFIG, steps=1),
        )

    with pytest.raises(
        InputError, match="no target domain to align with; give its data"
    ):
        train()
    with pytest.raises(InputError, match="nowhere"):
        train(target=str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="'act' has no features to align; these have"):
        train(target=str(target), policy="act")
    with pytest.raises(InputError, match="weight is -1.0; give 0 or more"):
        configure_objective(objective, {"weight": -1.0})
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_with_the_target_domain_that_it_began_with(
    source: Demonstrations, target: Path, tmp_path: Path
) -> None:
    there = tmp_path / "target"
    shutil.copytree(target, there)

    def train() -> None:
        robomtl.train(
            source,
            out=tmp_path / "run",
            objective="coral",
            objective_config={"target": str(there)},
            config=CONFIG,
        )

    train()
    recorded = read_record(tmp_path / "run")
    assert recorded is not None
    assert recorded.data["target"]["sha256"] == Demonstrations(target).fingerprint
    shutil.rmtree(there)
    shutil.copytree(source.path, there)
    with pytest.raises(InputError, match="data.*target"):
        train()


def test_a_target_domain_without_a_task_is_refused(
    source: Demonstrations, target: Path, tmp_path: Path
) -> None:
    everything = Demonstrations(target)
    with pytest.raises(
        InputError, match="has no data of reach-green; it has reach-red"
    ):
        robomtl.train(
            everything,
            out=tmp_path,
            objective="coral",
            objective_config={"target": str(source.path)},
            config=CONFIG,
        )
    with pytest.raises(InputError, match="width is 0"):
        configure_objective("dann", {"width": 0})
