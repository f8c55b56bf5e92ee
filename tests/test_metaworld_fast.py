"""Fast simulators beside Meta-World's own envs, task by task and step by step."""

import numpy as np
import pytest

from robomtl.envs.metaworld_tasks import TASKS
from robomtl.envs.metaworld_variations import Variations

ATTEMPT = 160
"""Steps of the expert, unless it succeeds before."""
BEYOND = 15
"""Steps of the expert after its first success."""
WANDERING = 60
"""Steps of random actions."""


def reference_env(task, vector):
    """Meta-World's env as a user makes it, for one episode."""
    from metaworld import ALL_V3_ENVIRONMENTS

    env = ALL_V3_ENVIRONMENTS[task]()
    env._set_task_called = True
    env._partially_observable = False
    del env.sawyer_observation_space
    env._last_rand_vec = vector.copy()
    return env


def simulators(task):
    """One that decides success alone, and one that computes rewards too."""
    from robomtl.envs.metaworld_fast import FastSimulator

    return FastSimulator(task, dense_reward=False), FastSimulator(
        task, dense_reward=True
    )


def actions(task, seed):
    """Generator of actions that are sent (state, success): the expert, then chance."""
    from robomtl.envs.metaworld_expert import MetaWorldExpert

    expert, generator = MetaWorldExpert(task), np.random.default_rng(seed)
    action, left = None, ATTEMPT
    while left:
        state, success = yield action
        left = min(left, BEYOND) - 1 if success else left - 1
        action = expert({"state": state})
    for _ in range(WANDERING):
        yield generator.uniform(-1, 1, 4).astype(np.float32)


def disturb(simulator, vector):
    """Leaves another episode behind in a simulator."""
    simulator.begin(vector)
    for _ in range(5):
        simulator.step(np.array([1, -1, -1, 1], np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_episodes_are_those_of_metaworld_after_any_other_episode(task):
    variations = Variations(task, "MT50")
    vector = variations.vector(TASKS.index(task))
    env, (sparse, dense) = reference_env(task, vector), simulators(task)
    state, _ = env.reset()
    for simulator in (dense, sparse):  # The second restores what the first simulated.
        disturb(simulator, variations.vector(1_000_000))
        np.testing.assert_allclose(simulator.begin(vector), state, rtol=0, atol=1e-12)
    success, succeeded, moves = False, set(), actions(task, seed=0)
    next(moves)
    for action in iter(lambda: next_or_none(moves, (state, success)), None):
        state, reward, _, _, info = env.step(action)
        success = bool(info["success"])
        succeeded.add(success)
        outcome, rewarded = sparse.step(action), dense.step(action)
        np.testing.assert_allclose(outcome.state, state, rtol=0, atol=1e-9)
        assert outcome.success == rewarded.success == success
        np.testing.assert_allclose(rewarded.reward, reward, rtol=0, atol=1e-9)
    assert True in succeeded


def next_or_none(moves, sent):
    try:
        return moves.send(sent)
    except StopIteration:
        return None
