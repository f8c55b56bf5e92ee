"""Joint suites and pseudo-embodiments: names, goals, data sets and training."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import robomtl
from robomtl.checking.checking import check_suite
from robomtl.cli.main import main
from robomtl.demonstrations import CollectionConfig, Mixture
from robomtl.demonstrations.collect_missing import (
    collect_parts,
    data_in,
    parts_of,
)
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.experiments.multitask import MultitaskRequest, multitask
from robomtl.experiments.multitask.arm_design import targets_of
from robomtl.joint import JointSuite, known_as
from robomtl.pseudo import BODIES, Translation
from robomtl.task import goal_place
from robomtl.training.trainable import rate_note

pytestmark = pytest.mark.usefixtures("forked_workers")

NAME = "joint/points/reach-red+points/two_robots"
OPTIONS = {
    "points/reach-red": {"horizon": 15},
    "points/two_robots": {"horizon": 12},
}
JOINT = robomtl.suite(NAME, suites=OPTIONS)
CONFIG = robomtl.TrainConfig(
    steps=3, batch_size=16, precision="float32", threads=1, device="cpu"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data sets of all robots of the joint suite."""
    made = tmp_path_factory.mktemp("joint")
    collect_parts(JOINT, made, CollectionConfig(episodes=2), compute=Compute(workers=1))
    return made


def test_a_joint_suite_names_tasks_after_their_suites() -> None:
    assert JOINT.name == NAME and JOINT.options == {"suites": OPTIONS}
    assert isinstance(JOINT, JointSuite)
    assert JOINT.train_tasks[0].name == "points/reach-red/reach-red"
    assert JOINT.train_tasks[0].tier == "points/reach-red"
    assert JOINT.robot("points/two_robots/fly-red") == "flyer"
    assert JOINT.embodiment("points/two_robots/fly-red").action.size == 4
    assert JOINT.make_env("points/two_robots/fly-red").action_space.shape == (4,)
    assert robomtl.suite(JOINT.name, **JOINT.options) == JOINT


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("joint/points/MT4", {}, "at least two different suites, with"),
        ("joint/points/MT4+points/MT4", {}, "at least two different suites, with"),
        ("joint/points/MT4+pionts/MT6", {}, "Unknown suite 'pionts'"),
        (
            NAME,
            {"points/MT4": {}},
            "options for 'points/MT4', which is not in joint/.* suites are points/",
        ),
    ],
)
def test_what_is_no_joint_suite_is_refused(
    name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        robomtl.suite(name, suites=options)


def test_a_joint_suite_keeps_the_contract_as_its_suites_do() -> None:
    assert check_suite(JOINT, tasks="points/two_robots/fly-red") == []


def test_each_robot_of_each_suite_gets_a_data_set() -> None:
    assert [(part.name, part.tasks) for part in parts_of(JOINT)] == [
        ("points-reach-red", ("reach-red",)),
        ("points-two_robots-point", ("reach-red", "reach-green")),
        ("points-two_robots-flyer", ("fly-red", "fly-green")),
    ]


def test_one_policy_of_several_suites_is_evaluated_in_all_by_one_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = str(tmp_path / "run"), str(tmp_path / "out")
    settings = ["--steps", "2", "--device", "cpu", "--conditioning", "goal", "one_hot"]
    assert main(["train", "--data", str(folder), "--out", run, *settings]) == 0
    played = ["--episodes", "1", "--workers", "1", "--until", "success"]
    assert main(["evaluate", run, "--out", out, *played]) == 0
    found = json.loads((tmp_path / "out/results.json").read_text())
    assert (found["suite"], found["options"]) == (NAME, {"suites": OPTIONS})
    assert [*found["tiers"]] == ["points/reach-red", "points/two_robots"]
    assert found["trials"] == 5 and not found["errors"]
    shown = capsys.readouterr().out
    assert "fly-red" in shown and "tier mean" in shown


def test_a_policy_of_several_suites_acts_in_each_of_them(
    folder: Path, tmp_path: Path
) -> None:
    kinds = ("goal", "one_hot")
    data = data_in(folder)
    trained = robomtl.train(data, out=tmp_path, conditioning=kinds, config=CONFIG)
    assert (trained.card.suite, trained.card.suite_options) == (NAME, JOINT.options)
    assert trained.card.conditioning.goals["points/two_robots/fly-red"] == (2, 4)
    agent = robomtl.PolicyAgent(tmp_path)
    suite = robomtl.suite("points/two_robots", horizon=12)
    results = robomtl.evaluate(
        agent,
        suite,
        out=tmp_path / "e",
        config=robomtl.EvaluationConfig(episodes=1),
        compute=robomtl.Compute(workers=1),
    )
    assert not any(record.error for record in results.records)
    with pytest.raises(InputError, match="goal of reach-red at"):
        agent.check(robomtl.suite("points/MT4"))


def test_chunks_of_data_sets_at_different_rates_are_noted(folder: Path) -> None:
    data = data_in(folder)
    slow = data.sets[0].of(replace(data.sets[0]._contents, fps=5.0))
    mixed = Mixture([slow, *data.sets[1:]])
    assert not rate_note(data, chunk=8, history=1)
    assert not rate_note(mixed, chunk=1, history=1)
    assert "have 5 and 10 steps per second: chunks of 8" in rate_note(
        mixed, chunk=8, history=1
    )


def test_a_task_is_known_by_its_name_in_the_suite_of_training() -> None:
    task = "points/two_robots/fly-red"
    alone, joint = ("points/two_robots", ["fly-red"]), (NAME, [task])
    two = robomtl.suite("points/two_robots")
    assert known_as(*joint, suite=two, task="fly-red") == task
    assert known_as(*joint, suite=JOINT, task=task) == task
    assert known_as(*alone, suite=JOINT, task=task) == "fly-red"
    assert known_as("points/MT4", ["fly-red"], suite=JOINT, task=task) == task


def test_target_tasks_are_learned_from_few_demonstrations_beside_others(
    folder: Path, tmp_path: Path
) -> None:
    request = MultitaskRequest(
        arms={"both": "together", "one": "apart"},
        reference="one",
        target=("points/reach-red",),
        demonstrations=(1,),
        source_demonstrations=2,
        trials=1,
        steps=2,
        samples=2,
        affinity=0,
    )
    found = multitask(
        JOINT, request, out=tmp_path, data=folder, compute=Compute(workers=1)
    )
    assert found.tasks == ("points/reach-red/reach-red",)
    assert [found.definitions[k].batch for k in ("both", "one")] == [10, 2]
    assert [*found.suites] == ["points/reach-red", "points/two_robots"]
    assert found.suites["points/reach-red"]["both"][1].tasks.keys() == {*found.tasks}
    run = json.loads(
        (tmp_path / "runs/both/1-demonstrations/seed-0/all/run.json").read_text()
    )
    assert [each["episodes"] for each in run["data"]["sets"]] == [1, 4, 4]


def test_arms_and_targets_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    request = MultitaskRequest(arms={"apart": "apart"})
    with pytest.raises(InputError, match="a policy for each suite, and points/MT4 is"):
        multitask(robomtl.suite("points/MT4"), request, out=tmp_path)
    with pytest.raises(InputError, match="Unknown target 'points/two'.*two_robots"):
        targets_of(JOINT, ("a", "b"), ("points/two",))
    with pytest.raises(InputError, match="give both or neither"):
        replace(request, target=("a",))


@pytest.mark.parametrize("body", BODIES)
def test_experts_of_pseudo_embodiments_act_as_the_robot_would(body: str) -> None:
    there = Translation(BODIES[body], 4, 1)
    action = np.array([0.3, -1.0, 0.7, -0.4], np.float32)
    np.testing.assert_allclose(there.to_robot(there.to_body(action)), action, rtol=1e-6)
    assert there.to_body(action)[3] == action[3]


@pytest.mark.parametrize("body", ["twisted", "delayed"])
def test_a_pseudo_embodiment_is_a_robot_of_its_own(body: str) -> None:
    own = robomtl.suite("points/reach-red", horizon=40)
    suite = robomtl.suite(f"pseudo/{body}/points/reach-red", horizon=40)
    assert suite.options == own.options
    assert goal_place(suite, "reach-red") == goal_place(own, "reach-red")
    assert not hasattr(suite, "geometry")  # It says what actions do.
    env, expert = suite.make_env("reach-red"), suite.make_expert("reach-red")
    observation, _ = env.reset(seed=0, options={"variation": 0})
    infos = [{"success": False}]
    while not infos[-1]["success"] and len(infos) < 40:
        observation, *_, info = env.step(expert(observation))
        infos.append(info)
    assert infos[-1]["success"]
    with pytest.raises(InputError, match="Unknown pseudo-embodiment 'twisty'"):
        robomtl.suite("pseudo/twisty/points/MT4")
