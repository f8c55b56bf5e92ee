import functools
import sys

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

import robomtl
from robomtl.camera import Camera
from robomtl.checking.checking import check_suite
from robomtl.envs.robosuite import robosuite
from robomtl.envs.robosuite_robots import PANDA, WIPER
from robomtl.envs.robosuite_tasks import TASKS
from robomtl.envs.robosuite_wiping import LEFT

pytestmark = pytest.mark.usefixtures(
    "forked_workers"
)  # Importing robosuite takes long.

SUITE = robosuite("MT9")


@pytest.fixture(scope="module")
def simulated():
    return pytest.importorskip("robosuite")


@functools.cache
def played(task):
    """An env in which earlier tests may have played: to compile its model takes long."""
    return robosuite(task).make_env(task)


def actions(env, count, seed=0):
    generator = np.random.default_rng(seed)
    shape = (count, *env.action_space.shape)
    return generator.uniform(-1, 1, shape).astype(np.float32)


def states(env, variation, steps=10):
    first = env.reset(options={"variation": variation})[0]
    after = [env.step(action)[0] for action in actions(env, steps)]
    return np.stack([each["state"] for each in (first, *after)])


@pytest.mark.parametrize("variant", robosuite.variants)
def test_every_variant_is_found_by_name_and_built_again_from_its_options(variant):
    suite = robomtl.suite(f"robosuite/{variant}", horizon=20)
    assert suite.name == f"robosuite/{variant}"
    assert robomtl.suite(suite.name, **suite.options) == suite


def test_tasks_share_no_wording_and_have_enough():
    wordings = []
    for task in TASKS.values():
        assert len(task.instructions) >= 6
        assert len(task.held_out_instructions) >= 2
        wordings += [*task.instructions, *task.held_out_instructions]
    assert len({wording.lower() for wording in wordings}) == len(wordings)


@pytest.mark.parametrize(("variant", "robot"), [("MT9", PANDA), ("Wipe", WIPER)])
def test_one_embodiment_names_every_component(variant, robot):
    (found,) = robomtl.features.embodiments_of(robosuite(variant)).values()
    assert found.observation["state"].names == robot.names
    assert found.action == robot.action


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
@pytest.mark.parametrize(
    ("task", "steps"), [("Lift", 12), ("PickPlaceCan", 12), ("Wipe", 40)]
)
def test_a_step_is_robosuite_s_own_bit_for_bit(simulated, task, steps):
    suite = robosuite(task)
    env, other = played(task), suite.make_env(task)
    expert = suite.make_expert(task)
    observation, _ = env.reset(options={"variation": 3})
    other.reset(options={"variation": 3})
    for noise in actions(env, steps):
        action = np.clip(expert(observation) + noise / 2, -1, 1)
        observation, *_ = env.step(action)
        other.simulator.step(action.astype(np.float64))
        for name in ("qpos", "qvel", "xpos", "sensordata"):
            ours, theirs = (getattr(e.simulator.sim.data, name) for e in (env, other))
            np.testing.assert_array_equal(ours, theirs)
        colours, theirs = (e.simulator.sim.model.geom_rgba for e in (env, other))
        np.testing.assert_array_equal(colours, theirs)  # Wiped markers are transparent.
    assert task != "Wipe" or observation["state"][LEFT] < 90


@pytest.mark.slow
@pytest.mark.parametrize("task", ["Stack", "Door", "Wipe"])
def test_a_variation_has_the_same_start_whatever_was_played_before(simulated, task):
    env = played(task)
    first = states(env, 5)
    assert not np.array_equal(states(env, 6), first)
    np.random.seed(1)  # robosuite draws of the global generator, and leaves no trace.
    before = np.random.get_state()[1].tolist()
    np.testing.assert_array_equal(states(env, 5), first)
    np.testing.assert_array_equal(states(robosuite(task).make_env(task), 5), first)
    assert np.random.get_state()[1].tolist() == before


@pytest.mark.slow
@pytest.mark.parametrize("task", ["Lift", "Stack", "Door", "PickPlaceCan", "Wipe"])
def test_the_expert_succeeds(simulated, task):
    suite, env = robosuite(task), played(task)
    expert = suite.make_expert(task)
    variation = suite.variations(task, "fresh")[0]
    observation, info = env.reset(options={"variation": variation})
    truncated = False
    while not info["success"]:
        assert not truncated
        observation, _, _, truncated, info = env.step(expert(observation))


@pytest.mark.slow
def test_wiped_markers_are_in_neither_the_state_nor_pictures(simulated):
    suite = robosuite("Wipe").with_camera(Camera(name="birdview", width=64, height=64))
    env, expert = suite.make_env("Wipe"), suite.make_expert("Wipe")
    observation, _ = env.reset(options={"variation": 3})
    markers = [f"contact{index}_g0_vis" for index in range(100)]
    assert observation["state"][LEFT] == len(markers)
    while observation["state"][LEFT] > 50:
        observation, *_ = env.step(expert(observation))
    assert observation["state"][LEFT] == 100 - len(env.simulator.wiped_markers)
    seen, model = env.render(), env.simulator.sim.model
    model.geom_rgba[[model.geom_name2id(name) for name in markers], 3] = 1
    assert not np.array_equal(env.render(), seen)


@pytest.mark.slow
def test_an_arm_that_meets_the_table_ends_the_episode_as_robosuite_does(simulated):
    env = played("Wipe")
    env.reset(options={"variation": 0})
    down, truncated, steps = np.array([0, 0, -1, 0, 0, 0], np.float32), False, 0
    while not truncated:
        _, _, terminated, truncated, info = env.step(down)
        steps += 1
    assert steps < env.horizon and not terminated and not info["success"]
    with pytest.raises(ResetNeeded, match="call reset first"):
        env.step(down)


@pytest.mark.slow
@pytest.mark.usefixtures("spawned_workers")  # A fork of what has drawn cannot draw.
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
    with pytest.raises(ValueError, match="has no camera; make the env with"):
        env.render()
