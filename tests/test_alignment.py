"""A shared action for several robots: displacement of the hand, and gripper."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import robomtl
from robomtl import checkpoint
from robomtl.adaptation import Support, adapt
from robomtl.adaptation.adapting import configure
from robomtl.adaptation.method import Budget
from robomtl.alignment import Alignment, action_of, aligned
from robomtl.cli.main import main
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.demonstrations.collect_missing import collect_parts, data_in
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.execution.machine import Machine
from robomtl.features import ActionFeature, Embodiment, vector_embodiment

pytestmark = pytest.mark.usefixtures("forked_workers")

NAME = "joint/points/reach-red+pseudo/twisted/points/reach-red"
HORIZON = dict.fromkeys(NAME.removeprefix("joint/").split("+"), {"horizon": 20})
CONFIG = robomtl.TrainConfig(
    steps=3, batch_size=16, precision="float32", threads=1, alignment="end_effector"
)


def robot(name: str, **units: str) -> Embodiment:
    action = ActionFeature(
        size=len(units), names=tuple(units), units=tuple(units.values())
    )
    return replace(
        vector_embodiment(state=2, action=len(units), name=name), action=action
    )


ARM = robot("arm", x="0.01 m", y="0.01 m", z="0.01 m", gripper="close")
HAND = robot("hand", gripper="open", x="0.05 m", **{"rotation.z": "0.1 rad"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("aligned")
    suite = robomtl.suite(NAME, suites=HORIZON)
    collect_parts(
        suite, made, CollectionConfig(episodes=2, noise=0.0), compute=Compute(workers=1)
    )
    return made


def test_an_action_means_the_same_displacement_for_every_robot() -> None:
    shared = aligned([ARM, HAND])
    assert shared.slots == ("x", "y", "z", "rotation.z", "gripper")
    assert shared.units == ("0.05 m", "0.01 m", "0.01 m", "0.1 rad", "1 close")
    arm, hand = (
        np.array([1, -1, 0.5, 1], np.float32),
        np.array([1, 0.2, -1], np.float32),
    )
    np.testing.assert_allclose(shared.to_shared(arm, 0), [0.2, -1, 0.5, 0, 1])
    np.testing.assert_allclose(shared.to_shared(hand, 1), [0.2, 0, 0, -1, -1])
    np.testing.assert_allclose(shared.to_robot(shared.to_shared(arm, 0), 0), arm)
    np.testing.assert_allclose(shared.to_robot(shared.to_shared(hand, 1), 1), hand)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (vector_embodiment(state=2, action=2, name="b"), "'b' does not name them"),
        (robot("b", east="1 m"), "'b' calls its actions east; give"),
        (
            robot("b", x="1 rad"),
            "'.*' moves 'x' by .* units of a component are the same",
        ),
        (robot("b", x="0 m"), "'b' moves 'x' by 0 m"),
        (
            replace(ARM, name="b", action=replace(ARM.action, units=())),
            "scaled by their units, and 'b' has none; give",
        ),
    ],
)
def test_robots_whose_actions_are_not_described_are_refused(
    other: Embodiment, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        aligned([ARM, other])


def test_a_component_that_training_did_not_know_is_refused() -> None:
    with pytest.raises(
        InputError, match="'hand' acts by 'rotation.z', and the policy's"
    ):
        aligned([ARM, robot("b", x="1 m", gripper="close")]).for_robot(HAND)


def test_built_in_suites_describe_their_actions() -> None:
    for name in ("metaworld/MT10", "fetch/MT4", "robosuite/MT4", "points/MT4"):
        suite = robomtl.suite(name)
        described = action_of(suite, suite.train_tasks[0].name)
        assert described is not None and described.names and described.units


def test_aligned_robots_learn_the_same_actions(folder: Path, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    words = ["--steps", "2", "--device", "cpu", "--alignment", "end_effector"]
    assert main(["train", "--data", str(folder), "--out", run, *words]) == 0
    card = checkpoint.load(run).card
    made = card.spec.alignment
    assert isinstance(made, Alignment) and card.spec.actions == (2,)
    assert made.slots == ("x", "y") and made.factors[1] == pytest.approx((-1, -1))
    own, twisted = data_in(folder).sets
    count = int(own.episodes.length[0])  # Undisturbed, both do the same.
    np.testing.assert_allclose(
        made.to_shared(own.action[:count], 0),
        made.to_shared(twisted.action[:count], 1),
        atol=1e-6,
    )
    agent = robomtl.PolicyAgent(run)
    suite = robomtl.suite(NAME, **card.suite_options)
    found = robomtl.evaluate(
        agent,
        suite,
        out=tmp_path / "e",
        config=robomtl.EvaluationConfig(episodes=1),
        compute=robomtl.Compute(workers=1),
    )
    assert not any(record.error for record in found.records)


def test_an_aligned_policy_adapts_to_a_new_robot(folder: Path, tmp_path: Path) -> None:
    trained = robomtl.train(data_in(folder), out=tmp_path / "run", config=CONFIG)
    new = robomtl.suite("pseudo/permuted/points/reach-red", horizon=20)
    support = Support(
        demonstrations=collect(
            new,
            tmp_path / "new",
            config=CollectionConfig(episodes=1),
            compute=Compute(workers=1),
        )
    )
    chosen = configure("finetune", {"steps": 2})
    budget = Budget(batch_size=8, machine=Machine(precision="float32"))
    made = adapt(trained, support, method=chosen, budget=budget, out=tmp_path / "a")
    alignment = made.card.spec.alignment
    assert alignment is not None and alignment.indices == ((1, 0),)
    agent = robomtl.PolicyAgent(tmp_path / "a")
    found = robomtl.evaluate(
        agent,
        new,
        out=tmp_path / "e",
        config=robomtl.EvaluationConfig(episodes=1),
        compute=robomtl.Compute(workers=1),
    )
    assert not any(record.error for record in found.records)


def test_alignment_needs_several_robots(folder: Path, tmp_path: Path) -> None:
    one = Demonstrations(data_in(folder).sets[0].path)
    with pytest.raises(InputError, match="several robots, and .* is of one, 'points'"):
        robomtl.train(one, out=tmp_path / "run", config=CONFIG)
