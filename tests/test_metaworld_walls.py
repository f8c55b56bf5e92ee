"""Experts that can pass a wall on either side."""

import numpy as np
import pytest

import robomtl
from robomtl.envs.metaworld_expert_two_way import TwoWayExpert
from robomtl.envs.metaworld_variations import FRESH, TRAIN
from robomtl.envs.metaworld_walls import TwoWayVariations, goes_right

SUITE = robomtl.suite("metaworld/walls")


def test_the_suite_of_walls_has_two_tasks_whose_experts_go_both_ways():
    assert [task.name for task in SUITE.train_tasks] == [
        "reach-wall-v3",
        "push-wall-v3",
    ]
    assert isinstance(SUITE.make_expert("push-wall-v3"), TwoWayExpert)


def test_each_start_for_training_is_demonstrated_on_both_sides():
    variations = TwoWayVariations("push-wall-v3", "ML1")
    vectors = [variations.vector(variation) for variation in TRAIN[:20]]
    for left, right in zip(vectors[::2], vectors[1::2], strict=True):
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-6)
        assert not goes_right(left[3:])
        assert goes_right(right[3:])
    assert len({vector[0] for vector in vectors}) == 10


def test_starts_for_evaluation_are_those_of_the_task_itself():
    own = robomtl.suite("metaworld/MT1/push-wall-v3")._variations("push-wall-v3")
    variations = TwoWayVariations("push-wall-v3", "ML1")
    assert np.array_equal(variations.vector(FRESH[3]), own.vector(FRESH[3]))
    assert np.array_equal(variations.vector(7), own.vector(7))


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
