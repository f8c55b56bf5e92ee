"""Goals that distinguish tasks, at different indices of the state."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from families import Here

import robomtl
from robomtl import goals
from robomtl.acting.actor import TaskInfo
from robomtl.acting.agent import ExpertAgent, PolicyAgent
from robomtl.cli.main import main
from robomtl.conditioning import Conditioning
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.envs.points import PointsSuite
from robomtl.evaluation import EvaluationConfig
from robomtl.evaluation.results import Results
from robomtl.execution.compute import Compute
from robomtl.experiments.adapt.pretraining import Training, train_all
from robomtl.experiments.compare.goal_warnings import goal_warnings
from robomtl.experiments.evaluating import evaluate
from robomtl.suites import SUITES
from robomtl.task import goal_place

pytestmark = pytest.mark.usefixtures("forked_workers")

MT4 = robomtl.suite("points/MT4")
CONFIG = robomtl.TrainConfig(steps=2, batch_size=8, threads=1, precision="float32")


@dataclass(frozen=True, kw_only=True)
class OneGoal(PointsSuite):
    """Points that name the flag as the goal of every task."""

    @property
    def goal_places(self):
        return {}

    @property
    def name(self):
        return "one-goal"


SUITES.register("one-goal", lambda variant, *, horizon: OneGoal(horizon=horizon))


class ToldGoals(ExpertAgent):
    """Experts that say that a goal is all they read."""

    conditioning_kinds = ("goal",)


def change(results, **setting):
    """The results of another evaluation that went the same."""
    return replace(results, setting=replace(results.setting, **setting))


def test_each_task_of_points_shows_its_own_goal():
    for task in MT4.train_tasks:
        env, act = MT4.make_env(task.name), MT4.make_expert(task.name)
        observation, info = env.reset(options={"variation": 1_000_000})
        truncated = False
        while not truncated:
            observation, _, _, truncated, info = env.step(act(observation))
        goal = observation["state"][goal_place(MT4, task.name)]
        assert info["success"]
        assert np.linalg.norm(observation["state"][:2] - goal) < 0.11


def test_goals_in_places_of_their_own_tell_tasks_apart():
    assert goals.indistinguishable_tasks(MT4) == ()
    assert goals.warning("points/MT4", ()) == ""


def test_tasks_with_one_goal_and_like_scenes_are_named():
    alike = goals.indistinguishable_tasks(
        OneGoal(), ["reach-red", "reach-blue", "reach-flag"]
    )
    assert alike[0] == ("reach-red", "reach-blue")
    assert len(alike) == 3
    said = goals.warning("one-goal", alike)
    assert "'reach-red' from 'reach-blue', nor 2 other pairs of tasks" in said


def test_scenes_or_values_of_goals_tell_tasks_apart_too():
    states = {"a": np.zeros((20, 3)), "b": np.zeros((20, 3)), "c": np.ones((20, 3))}
    states["b"] += 1e-6  # Settled.
    assert goals.indistinguishable_tasks(OneGoal(), states=states) == (("a", "b"),)


@pytest.mark.parametrize("suite", [MT4, OneGoal()], ids=["own", "one"])
def test_training_by_goals_that_tell_nothing_apart_warns(suite, tmp_path, capsys):
    data = collect(
        suite,
        tmp_path / "data",
        config=CollectionConfig(episodes=2),
        compute=Compute(workers=1),
    )
    robomtl.train(
        data, out=tmp_path / "run", policy="mlp", conditioning=("goal",), config=CONFIG
    )
    said = capsys.readouterr().err
    assert ("do not distinguish 'reach-red' from 'reach-green'" in said) == (
        suite is not MT4
    )


def test_trainings_side_by_side_warn_of_such_goals_once(tmp_path, capsys):
    alone = Compute(workers=1)
    config = CollectionConfig(episodes=2)
    data = collect(OneGoal(), tmp_path / "data", config=config, compute=alone)
    trainings = [
        Training(
            out=tmp_path / f"seed-{seed}",
            policy="mlp",
            conditioning=("goal",),
            config=replace(CONFIG, seed=seed),
        )
        for seed in (0, 1)
    ]
    train_all(data, trainings, compute=alone)
    assert capsys.readouterr().err.count("do not distinguish 'reach-red'") == 1


def test_a_comparison_of_evaluations_with_goals_alone_warns(tmp_path, capsys):
    names, out = ["reach-red", "reach-blue"], tmp_path / "a"
    ours = evaluate(
        ToldGoals(),
        OneGoal(),
        out=out,
        config=EvaluationConfig(tasks=names, episodes=1),
        compute=Compute(executor=Here()),
    )
    assert Results.read(out).setting.conditioning == ("goal",)
    theirs = change(ours, conditioning=("language",), fingerprint="b")
    theirs.write(tmp_path / "b")
    assert main(["compare", str(out), str(tmp_path / "b")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "do not distinguish 'reach-red' from 'reach-blue'" in said
    silent = theirs, change(ours, conditioning=None), change(ours, suite="elsewhere")
    assert goal_warnings(silent) == ()
    a = [ours, change(ours, fingerprint="a2")]
    b = [theirs, change(theirs, fingerprint="b2")]
    assert len(robomtl.compare_seeds(a, b, across=True).goal_warnings) == 1


def test_a_policy_reads_the_goal_where_its_task_has_it(tmp_path):
    data = collect(
        MT4,
        tmp_path / "data",
        config=CollectionConfig(episodes=2),
        compute=Compute(workers=1),
    )
    robomtl.train(
        data, out=tmp_path / "run", policy="mlp", conditioning=("goal",), config=CONFIG
    )
    agent = PolicyAgent(tmp_path / "run")
    assert agent.conditioning_kinds == ("goal",)
    conditioning = agent.card.conditioning
    assert conditioning.goal_of("reach-red") == (4, 6)
    assert (
        conditioning.goal_of("push-ball") == conditioning.goal_of("unknown") == (10, 12)
    )
    agent.check(robomtl.suite("points/MT6"))
    with pytest.raises(ValueError, match=r"goal of reach-red at \(4, 6\).*\(10, 12\)"):
        agent.check(OneGoal())


def test_shorter_goals_are_filled_up_with_zeros():
    conditioning = Conditioning(
        kinds=("goal",), tasks=("a", "b"), goal=(0, 2), goals={"a": (2, 5)}
    )
    fixed = conditioning.fixed([TaskInfo("a", None), TaskInfo("b", None)])
    state = torch.arange(1.0, 6).repeat(2, 1)
    assert conditioning.size == 3
    assert conditioning.embedding(fixed, state).tolist() == [[3, 4, 5], [1, 2, 0]]
