from contextlib import closing

import numpy as np
import pytest
from served_points import ServedPoints

from robomtl.camera import Camera
from robomtl.checking.checking import check_suite
from robomtl.envs.points import PointsSuite


def test_a_served_suite_keeps_the_contract():
    assert not check_suite(ServedPoints(), tasks=["reach-red"])


@pytest.mark.parametrize("images", [0, 16])
def test_a_served_env_steps_as_the_env_itself(images):
    own, served = (
        kind(images=images, camera=Camera(width=32, height=24))
        for kind in (PointsSuite, ServedPoints)
    )
    actions = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
    episodes = []
    for suite in (own, served):
        with closing(suite.make_env("reach-flag")) as env:
            result = env.reset(seed=3, options={"variation": 7})
            steps = [result, *map(env.step, actions)]
            episodes.append((steps, env.render(), env.pictures()))
            spaces = env.observation_space, env.action_space, env.horizon
            episodes[-1] = (*episodes[-1], spaces, env.metadata)
    np.testing.assert_equal(*episodes)
