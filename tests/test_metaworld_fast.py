"""Fast simulators beside Meta-World's own envs, task by task and step by step."""

import numpy as np
import pytest

from robomtl.envs.metaworld_expert import MetaWorldExpert
from robomtl.envs.metaworld_tasks import TASKS
from robomtl.envs.metaworld_variations import Variations

ATTEMPT = 160
"""Steps of the expert, unless it succeeds before."""
BEYOND = 5
"""Steps of the expert after its first success."""
WANDERING = 20
"""Steps of random actions."""
VARIATIONS = dict.fromkeys(TASKS, 1) | {"push-back-v3": 2}
"""Official variations in which the expert succeeds."""


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


def disturb(simulator, vector):
    """Leaves another episode behind in a simulator."""
    simulator.begin(vector)
    for _ in range(5):
        simulator.step(np.array([1, -1, -1, 1], np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_episodes_are_those_of_metaworld_after_any_other_episode(task):
    variations = Variations(task, "MT50")
    vector = variations.vector(VARIATIONS[task])
    env, (sparse, dense) = reference_env(task, vector), simulators(task)
    state, _ = env.reset()
    for simulator in (dense, sparse):  # The second restores what the first simulated.
        disturb(simulator, variations.vector(1_000_000))
        np.testing.assert_allclose(simulator.begin(vector), state, rtol=0, atol=1e-12)
    expert, generator = MetaWorldExpert(task), np.random.default_rng(0)
    attempt, wandering, succeeded = ATTEMPT, WANDERING, False
    while attempt or wandering:
        if attempt:
            action, attempt = expert({"state": state}), attempt - 1
        else:
            action = generator.uniform(-1, 1, 4).astype(np.float32)
            wandering -= 1
        state, reward, _, _, info = env.step(action)
        outcome, rewarded = sparse.step(action), dense.step(action)
        np.testing.assert_allclose(outcome.state, state, rtol=0, atol=1e-9)
        assert outcome.success == rewarded.success == bool(info["success"])
        np.testing.assert_allclose(rewarded.reward, reward, rtol=0, atol=1e-9)
        if outcome.success:
            attempt, succeeded = min(attempt, BEYOND), True
    assert succeeded


@pytest.mark.slow
def test_the_starts_kept_are_bounded(monkeypatch):
    from robomtl.envs import metaworld_fast
    from robomtl.envs.metaworld_memory import Latest

    kept = Latest(2)
    monkeypatch.setattr(metaworld_fast, "_STARTS", kept)
    simulator, _ = simulators("reach-v3")
    vectors = [Variations("reach-v3", "MT50").vector(index) for index in range(3)]
    for index in (0, 1, 0, 2):
        simulator.begin(vectors[index])
    starts = [kept.get(("reach-v3", vector.tobytes())) for vector in vectors]
    assert [start is None for start in starts] == [False, True, False]
