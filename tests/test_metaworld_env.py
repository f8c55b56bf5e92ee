from types import SimpleNamespace

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from robomtl.envs.metaworld import metaworld
from robomtl.envs.metaworld_config import MetaWorldConfig
from robomtl.envs.metaworld_env import MetaWorldEnv
from robomtl.envs.metaworld_simulator import Outcome
from robomtl.envs.metaworld_variations import TRAIN, Variations
from robomtl.errors import SimulationError

ZERO = np.zeros(4, np.float32)


class Counting:
    """A simulator without physics: its state counts actions, and is done at 1."""

    def __init__(self):
        warning = SimpleNamespace(number=np.zeros(8, np.int32))
        data = SimpleNamespace(warning=warning)
        self.env = SimpleNamespace(data=data, close=lambda: None)
        self.state = np.zeros(39)

    def begin(self, vector, hand=None):
        self.env.data.warning.number[:] = 0
        self.state = np.zeros(39)
        self.state[36:] = vector[:3]
        return self.state

    def step(self, action):
        self.state[:4] += action
        return Outcome(self.state, 7.0, bool(self.state[0] >= 1))


def counting_env(*, horizon=3, goal_observable=True, dense_reward=False):
    return MetaWorldEnv(
        Variations("push-v3", "MT25"),
        Counting(),
        horizon=horizon,
        goal_observable=goal_observable,
        dense_reward=dense_reward,
    )


def test_success_is_reported_at_every_step_and_rewarded():
    env = counting_env()
    _, info = env.reset(options={"variation": 0})
    assert info == {"success": False}
    half = np.array([0.5, 0, 0, 0], np.float32)
    steps = [env.step(half) for _ in range(3)]
    assert [info["success"] for *_, info in steps] == [False, True, True]
    assert [reward for _, reward, *_ in steps] == [0.0, 1.0, 1.0]


def test_dense_rewards_are_those_of_the_simulator():
    env = counting_env(dense_reward=True)
    env.reset(options={"variation": 0})
    assert env.step(ZERO)[1] == 7.0


def test_an_episode_is_truncated_at_the_horizon_and_never_begins_anew():
    env = counting_env()
    env.reset(options={"variation": 0})
    ends = [env.step(ZERO)[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    with pytest.raises(ResetNeeded, match="push-v3: no episode is running, or its 3"):
        env.step(ZERO)


def test_a_step_before_the_first_reset_is_refused():
    with pytest.raises(ResetNeeded, match="call reset first"):
        counting_env().step(ZERO)


def test_observations_are_copies():
    env = counting_env()
    observation, _ = env.reset(options={"variation": 0})
    env.step(np.ones(4, np.float32))
    assert not observation["state"][:4].any()


def test_hidden_goals_are_zeros():
    shown, _ = counting_env().reset(options={"variation": 0})
    hidden, _ = counting_env(goal_observable=False).reset(options={"variation": 0})
    assert shown["state"][36:].any()
    assert not hidden["state"][36:].any()


def test_actions_beyond_the_box_are_clipped():
    env = counting_env()
    env.reset(options={"variation": 0})
    observation, *_ = env.step(np.array([2, -3, 0.5, 1], np.float32))
    np.testing.assert_array_equal(observation["state"][:4], [1, -1, 0.5, 1])


@pytest.mark.parametrize(
    "action", [[np.nan, 0, 0, 0], [np.inf, -np.inf, 0, 0], [0, 0, 0], [[0, 0, 0, 0]]]
)
def test_actions_that_are_not_finite_are_refused(action):
    env = counting_env()
    env.reset(options={"variation": 0})
    env.step(ZERO)
    with pytest.raises(ValueError, match="push-v3, step 1: the action .* not 4 finite"):
        env.step(np.array(action, np.float32))


def test_large_finite_actions_are_accepted():
    env = counting_env()
    env.reset(options={"variation": 0})
    env.step(np.full(4, np.finfo(np.float32).max))


def test_an_unknown_variation_is_refused():
    with pytest.raises(ValueError, match="Unknown variation 50 of 'push-v3'"):
        counting_env().reset(options={"variation": 50})


def test_without_a_variation_the_seed_draws_one_for_training():
    env = counting_env()
    drawn = []
    for seed in (1, None, 1, None):
        env.reset(seed=seed)
        drawn.append(env._variation)
    assert drawn[:2] == drawn[2:]
    assert drawn[0] != drawn[1]
    assert all(variation in TRAIN for variation in drawn)


@pytest.mark.parametrize(
    ("index", "reason"), [(4, "positions"), (5, "velocities"), (6, "accelerations")]
)
def test_an_unstable_simulation_raises_and_ends_the_episode(index, reason):
    env = counting_env()
    env.reset(options={"variation": 9})
    env.simulator.env.data.warning.number[index] = 1
    message = f"push-v3, variation 9, step 1: {reason} not finite or huge"
    with pytest.raises(SimulationError, match=message):
        env.step(ZERO)
    with pytest.raises(ResetNeeded):
        env.step(ZERO)
    env.reset(options={"variation": 9})
    env.step(ZERO)


def test_a_state_that_is_not_finite_raises():
    env = counting_env()
    env.reset(options={"variation": 9})
    env.simulator.state[5] = np.nan
    with pytest.raises(SimulationError, match="state not finite or huge"):
        env.step(ZERO)


@pytest.mark.slow
@pytest.mark.parametrize("upstream", [False, True])
def test_a_diverged_simulation_is_an_error_and_leaves_no_trace(
    upstream, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log file.
    env = metaworld("MT10", MetaWorldConfig(upstream=upstream)).make_env("push-v3")
    before, _ = env.reset(options={"variation": 3})
    env.simulator.env.data.qvel[:] = np.nan
    with pytest.raises(SimulationError, match="push-v3, variation 3, step 1: velociti"):
        env.step(ZERO)
    after, _ = env.reset(options={"variation": 3})
    np.testing.assert_array_equal(before["state"], after["state"])


class Wall:
    """Sees a white wall."""

    shape = (16, 16, 3)
    looks = 0

    def picture(self):
        self.looks += 1
        return np.full(self.shape, 255, np.uint8)

    def close(self):
        pass


def test_a_blind_env_draws_only_the_pictures_it_is_asked_for():
    wall = Wall()
    env = MetaWorldEnv(
        Variations("push-v3", "MT25"),
        Counting(),
        horizon=3,
        goal_observable=True,
        dense_reward=False,
        observed={"image.wall": wall},
    )
    observation, _ = env.reset(options={"variation": 0})
    assert env.observation_space.contains(observation)
    env.blind = True
    observation, *_ = env.step(ZERO)
    assert {*observation} == {"state", "proprioception"}
    assert wall.looks == 1
    observation |= env.pictures()
    assert env.observation_space.contains(observation)
