import sys

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

import robomtl
from robomtl.checking.checking import check_suite
from robomtl.envs.robosuite import ACTION, robosuite
from robomtl.envs.robosuite_scene import NAMES

pytestmark = pytest.mark.usefixtures(
    "forked_workers"
)  # Importing robosuite takes long.

SUITE = robosuite("MT9")


@pytest.fixture(scope="module")
def simulated():
    return pytest.importorskip("robosuite")


def actions(count, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(-1, 1, (count, 7)).astype(np.float32)


def states(env, variation, steps=10):
    first = env.reset(options={"variation": variation})[0]
    after = [env.step(action)[0] for action in actions(steps)]
    return np.stack([each["state"] for each in (first, *after)])


@pytest.mark.parametrize("variant", robosuite.variants)
def test_every_variant_is_found_by_name_and_built_again_from_its_options(variant):
    suite = robomtl.suite(f"robosuite/{variant}", horizon=20)
    assert suite.name == f"robosuite/{variant}"
    assert robomtl.suite(suite.name, **suite.options) == suite


def test_tasks_share_no_wording_and_have_enough():
    wordings = []
    for task in SUITE.train_tasks:
        assert len(task.instructions) >= 6
        assert len(task.held_out_instructions) >= 2
        wordings += [*task.instructions, *task.held_out_instructions]
    assert len({wording.lower() for wording in wordings}) == len(wordings)


def test_one_embodiment_names_every_component():
    (robot,) = robomtl.features.embodiments_of(SUITE).values()
    assert robot.observation["state"].names == NAMES
    assert robot.action == ACTION


def test_unknown_variant_suggests_the_nearest():
    with pytest.raises(
        ValueError, match=r"variant of robosuite 'MT5'\. Did you mean 'MT"
    ):
        robosuite("MT5")


def test_horizon_below_one_is_refused():
    with pytest.raises(ValueError, match="horizon is 0; give at least 1"):
        robosuite(horizon=0)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "robosuite", None)
    with pytest.raises(ImportError, match=r"pip install 'robomtl\[robosuite\]'"):
        SUITE.make_env("Lift")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["Lift", "PickPlaceCan"])
def test_a_step_is_robosuite_s_own_bit_for_bit(simulated, task):
    env, other = SUITE.make_env(task), SUITE.make_env(task)
    for each in (env, other):
        each.reset(options={"variation": 3})
    for action in actions(12):
        env.step(action)
        other.simulator.step(action.astype(np.float64))
        for name in ("qpos", "qvel", "xpos"):
            ours, theirs = (getattr(e.simulator.sim.data, name) for e in (env, other))
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["Stack", "Door"])
def test_a_variation_has_the_same_start_whatever_was_played_before(simulated, task):
    env = SUITE.make_env(task)
    first = states(env, 5)
    assert not np.array_equal(states(env, 6), first)
    np.random.seed(1)  # robosuite draws of the global generator, and leaves no trace.
    before = np.random.get_state()[1].tolist()
    np.testing.assert_array_equal(states(env, 5), first)
    np.testing.assert_array_equal(states(SUITE.make_env(task), 5), first)
    assert np.random.get_state()[1].tolist() == before


@pytest.mark.slow
@pytest.mark.parametrize("task", ["Lift", "Stack", "Door", "PickPlaceCan"])
def test_the_expert_succeeds(simulated, task):
    env, expert = SUITE.make_env(task), SUITE.make_expert(task)
    variation = SUITE.variations(task, "fresh")[0]
    observation, info = env.reset(options={"variation": variation})
    truncated = False
    while not info["success"]:
        assert not truncated
        observation, _, _, truncated, info = env.step(expert(observation))


@pytest.mark.slow
def test_a_whole_suite_passes_the_check(simulated):
    assert check_suite(robosuite("Lift", horizon=40)) == []


@pytest.mark.slow
def test_what_is_no_action_is_refused(simulated):
    env = robosuite("Lift", horizon=1).make_env("Lift")
    with pytest.raises(ResetNeeded, match="call reset first"):
        env.step(np.zeros(7, np.float32))
    env.reset(options={"variation": 0})
    with pytest.raises(ValueError, match="Lift, step 0: .* is not 7 finite numbers"):
        env.step(np.full(7, np.nan, np.float32))
    with pytest.raises(ValueError, match="has no camera; make it by"):
        env.render()
