from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import robomtl.suites
from robomtl.envs.points import PointsSuite, points
from robomtl.envs.points_env import SPLITS

EVERYTHING = PointsSuite(variant="MT6")
TASKS = [task.name for task in EVERYTHING.train_tasks]


def played(suite, task, variation, act):
    """Observations and successes of one episode."""
    env = suite.make_env(task)
    observation, info = env.reset(options={"variation": variation})
    observations, successes, truncated = [observation], [info["success"]], False
    while not truncated:
        observation, _, _, truncated, info = env.step(act(observation))
        observations.append(observation)
        successes.append(info["success"])
    return observations, successes


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_succeeds_in_every_variation_and_stays(task):
    expert = EVERYTHING.make_expert(task)
    for variation in EVERYTHING.variations(task, "official"):
        _, successes = played(EVERYTHING, task, variation, expert)
        assert not successes[0]
        assert successes[-1]


@pytest.mark.parametrize("task", TASKS)
def test_the_env_passes_the_checker_of_gymnasium(task):
    check_env(EVERYTHING.make_env(task), skip_render_check=True)


def test_the_expert_of_one_colour_rarely_serves_another():
    red = EVERYTHING.make_expert("reach-red")
    served = [
        any(played(EVERYTHING, "reach-blue", variation, red)[1])
        for variation in range(50)
    ]
    assert np.mean(served) < 0.3


def test_the_goal_of_the_suite_is_where_the_flag_is_reached():
    observations, successes = played(
        EVERYTHING, "reach-flag", 0, EVERYTHING.make_expert("reach-flag")
    )
    state = observations[-1]["state"]
    assert successes[-1]
    assert np.allclose(state[:2], state[EVERYTHING.goal], atol=0.01)


def test_the_ball_is_pushed_to_the_flag():
    observations, _ = played(
        EVERYTHING, "push-ball", 0, EVERYTHING.make_expert("push-ball")
    )
    first, last = observations[0]["state"], observations[-1]["state"]
    assert np.linalg.norm(first[2:4] - first[EVERYTHING.goal]) > 0.3
    assert np.linalg.norm(last[2:4] - last[EVERYTHING.goal]) < 0.12


def test_splits_share_no_variation():
    for first in SPLITS.values():
        assert sum(first[0] in split for split in SPLITS.values()) == 1


@pytest.mark.parametrize("variant", points.variants)
def test_every_variant_is_found_by_name_and_survives_pickling(variant):
    suite = robomtl.suites.suite(f"points/{variant}", horizon=20)
    assert suite.name == f"points/{variant}"
    assert ForkingPickler.loads(ForkingPickler.dumps(suite)) == suite
    assert robomtl.suites.suite(suite.name, **suite.options) == suite


def test_the_name_without_variant_means_mt4():
    assert robomtl.suites.suite("points") == PointsSuite(variant="MT4")


def test_tasks_share_no_wording_and_have_enough():
    wordings = []
    for task in EVERYTHING.train_tasks:
        assert len(task.instructions) >= 6
        assert len(task.held_out_instructions) >= 2
        assert task.tier in ("easy", "medium")
        wordings += [*task.instructions, *task.held_out_instructions]
    assert len(set(wordings)) == len(wordings)


def test_unknown_variant_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"variant of points 'MT5'\. Did you mean 'MT"):
        points("MT5")


def test_horizon_below_one_is_refused():
    with pytest.raises(ValueError, match="horizon is 0; give at least 1"):
        points(horizon=0)


@pytest.mark.parametrize("method", ["make_env", "make_expert"])
def test_unknown_task_suggests_the_nearest(method):
    with pytest.raises(ValueError, match="Did you mean 'reach-red'"):
        getattr(EVERYTHING, method)("reach-rad")


def test_unknown_split_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"split 'frsh'\. Did you mean 'fresh'"):
        EVERYTHING.variations("reach-red", "frsh")


def test_unknown_variation_is_refused_with_those_known():
    env = EVERYTHING.make_env("reach-red")
    with pytest.raises(ValueError, match=r"variation -1 of 'reach-red'.*\(official\)"):
        env.reset(options={"variation": -1})


def test_action_that_is_not_finite_names_task_and_step():
    env = EVERYTHING.make_env("reach-red")
    env.reset(options={"variation": 0})
    env.step(np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="reach-red, step 1: .* is not finite"):
        env.step(np.array([np.nan, 0], np.float32))


def test_step_past_the_horizon_is_refused():
    suite = points(horizon=1)
    env = suite.make_env("reach-red")
    with pytest.raises(ResetNeeded, match="call reset first"):
        env.step(np.zeros(2, np.float32))
    env.reset(options={"variation": 0})
    env.step(np.zeros(2, np.float32))
    with pytest.raises(ResetNeeded, match="reach-red: no episode is running"):
        env.step(np.zeros(2, np.float32))
