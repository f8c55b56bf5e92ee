"""Envs that share a compiled model, compared with envs that do not."""

import threading

import numpy as np
import pytest

from robomtl.camera import Camera, with_camera
from robomtl.suites import suite

pytestmark = pytest.mark.slow
TASK = "door-open-v3"  # Its variations put the door, a body, in other places.
STEPS = 40


def made():
    return suite("metaworld/MT10").make_env(TASK)


def begun(variation):
    env = made()
    env.reset(options={"variation": variation})
    return env


def actions(variation):
    return np.random.default_rng(variation).uniform(-1, 1, (STEPS, 4))


def states(env, variation):
    return [env.step(action)[0]["state"] for action in actions(variation)]


@pytest.fixture(scope="module")
def alone():
    return {variation: states(begun(variation), variation) for variation in (0, 1)}


def test_envs_of_a_task_share_a_model_and_others_do_not():
    one, other, stranger = made(), made(), suite("metaworld/MT10").make_env("reach-v3")
    assert one.simulator.env.model is other.simulator.env.model
    assert one.simulator.env.model is not stranger.simulator.env.model


def test_envs_that_run_unmodified_have_models_of_their_own():
    upstream = suite("metaworld/MT10", upstream=True)
    models = [upstream.make_env(TASK).simulator.env.model for _ in range(2)]
    assert models[0] is not models[1]


def test_only_models_that_cameras_look_at_have_textures():
    plain = suite("metaworld/MT10")
    suites = plain, with_camera(plain, Camera()), suite("metaworld/MT10", upstream=True)
    models = [each.make_env(TASK).simulator.env.model for each in suites]
    assert [model.ntex > 0 for model in models] == [False, True, True]


@pytest.mark.parametrize("task", [TASK, "peg-insert-side-v3", "soccer-v3"])
def test_models_without_textures_are_otherwise_the_same(task):
    from robomtl.envs.metaworld_model import shared_model

    bare, full = (shared_model(task, textured=each).copy() for each in (False, True))
    skipped = ("tex_", "mat_texid", "name", "path", "_sizes")
    for name in dir(full):
        value = getattr(full, name)
        if isinstance(value, np.ndarray) and not name.startswith(skipped):
            np.testing.assert_array_equal(getattr(bare, name), value, err_msg=name)


def test_envs_that_take_turns_do_not_disturb_each_other(alone):
    envs, found = {variation: begun(variation) for variation in (0, 1)}, {0: [], 1: []}
    for step in range(STEPS):
        for variation, env in envs.items():
            found[variation].append(env.step(actions(variation)[step])[0]["state"])
    for variation, column in found.items():
        np.testing.assert_array_equal(column, alone[variation])


@pytest.mark.parametrize("upstream", [False, True])
def test_an_env_made_amid_the_episode_of_another_begins_like_any(alone, upstream):
    begun(1).step(np.ones(4, np.float32))
    env = suite("metaworld/MT10", upstream=upstream).make_env(TASK)
    env.reset(options={"variation": 0})
    np.testing.assert_allclose(states(env, 0), alone[0], rtol=0, atol=1e-6)


def test_threads_may_step_envs_of_one_task(alone):
    envs, found = {variation: begun(variation) for variation in (0, 1)}, {}

    def run(variation):
        found[variation] = states(envs[variation], variation)

    threads = [threading.Thread(target=run, args=(each,)) for each in envs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for variation, column in found.items():
        np.testing.assert_array_equal(column, alone[variation])
