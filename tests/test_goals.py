"""Goals that tell tasks apart, each in a place of its own."""

from dataclasses import dataclass

import numpy as np
import pytest

import robomtl
from robomtl import goals
from robomtl.agent import PolicyAgent
from robomtl.conditioning import Conditioning
from robomtl.demonstrations import collect
from robomtl.envs.points import PointsSuite
from robomtl.registry import SUITES
from robomtl.task import goal_place

MT4 = robomtl.suite("points/MT4")
CONFIG = robomtl.TrainConfig(steps=2, batch=8, threads=1, precision="float32")


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
    assert goals.tasks_alike(MT4) == ()
    assert goals.warning("points/MT4", ()) == ""


def test_tasks_with_one_goal_and_like_scenes_are_named():
    alike = goals.tasks_alike(OneGoal(), ["reach-red", "reach-blue", "reach-flag"])
    assert alike[0] == ("reach-red", "reach-blue")
    assert len(alike) == 3
    said = goals.warning("one-goal", alike)
    assert "'reach-red' from 'reach-blue', nor 2 other pairs of tasks" in said


def test_scenes_or_values_of_goals_tell_tasks_apart_too():
    states = {"a": np.zeros((20, 3)), "b": np.zeros((20, 3)), "c": np.ones((20, 3))}
    states["b"] += 1e-6  # Settled.
    assert goals.tasks_alike(OneGoal(), states=states) == (("a", "b"),)


@pytest.mark.parametrize("suite", [MT4, OneGoal()], ids=["own", "one"])
def test_training_by_goals_that_tell_nothing_apart_warns(suite, tmp_path, capsys):
    data = collect(suite, tmp_path / "data", episodes=2, workers=1)
    robomtl.train(
        data, out=tmp_path / "run", policy="mlp", conditioning=("goal",), config=CONFIG
    )
    said = capsys.readouterr().err
    assert ("do not distinguish 'reach-red' from 'reach-green'" in said) == (
        suite is not MT4
    )


def test_a_policy_reads_the_goal_where_its_task_has_it(tmp_path):
    data = collect(MT4, tmp_path / "data", episodes=2, workers=1)
    robomtl.train(
        data, out=tmp_path / "run", policy="mlp", conditioning=("goal",), config=CONFIG
    )
    agent = PolicyAgent(tmp_path / "run")
    told = agent.card.conditioning
    assert told.goal_of("reach-red") == (4, 6)
    assert told.goal_of("push-ball") == told.goal_of("unknown") == (10, 12)
    agent.check(robomtl.suite("points/MT6"))
    with pytest.raises(ValueError, match=r"goal of reach-red at \(4, 6\).*\(10, 12\)"):
        agent.check(OneGoal())


def test_goals_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="goal of 'a' lies at 2 to 5 of the state"):
        Conditioning(kinds=("goal",), tasks=("a",), goal=(0, 2), goals={"a": (2, 5)})
