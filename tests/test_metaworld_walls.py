"""Experts that pass a wall on either side."""

import numpy as np
import pytest

import robomtl
from robomtl.envs.metaworld_expert_two_way import TwoWayExpert, goes_right

SUITE = robomtl.suite("metaworld/walls")


def test_the_suite_of_walls_has_two_tasks_whose_experts_go_both_ways():
    assert [task.name for task in SUITE.train_tasks] == [
        "reach-wall-v3",
        "push-wall-v3",
    ]
    assert isinstance(SUITE.make_expert("push-wall-v3"), TwoWayExpert)


def test_experts_go_right_for_about_half_of_the_goals_and_always_the_same_way():
    goals = np.random.default_rng(0).uniform(size=(1000, 3)).astype(np.float32)
    right = [goes_right(goal) for goal in goals]
    assert 450 < sum(right) < 550
    assert right == [goes_right(goal) for goal in goals]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["reach-wall-v3", "push-wall-v3"])
def test_an_expert_passes_the_wall_on_its_side_and_succeeds(task):
    env, expert, sides = SUITE.make_env(task), SUITE.make_expert(task), set()
    for variation in SUITE.variations(task, "train")[:6]:
        observation, _ = env.reset(options={"variation": variation})
        right, passed, solved = goes_right(observation["state"][-3:]), None, False
        while not solved:
            x, y = observation["state"][:2]
            passed = x if passed is None and y > 0.75 else passed
            observation, _, _, truncated, info = env.step(expert(observation))
            solved = info["success"]
            assert not truncated
        assert (passed > 0.22) if right else (passed < -0.02)
        sides.add(right)
    assert sides == {False, True}
