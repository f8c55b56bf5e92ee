"""Fast simulators of every task, compared with Meta-World's own envs and alone.

All tests over all tasks are in this file, as each task's model takes long to compile.
"""

import numpy as np
import pytest

from robomtl.envs.metaworld_expert import MetaWorldExpert
from robomtl.envs.metaworld_starts import VariedStarts
from robomtl.envs.metaworld_tasks import HIDDEN_GOAL_TASKS, TASKS
from robomtl.envs.metaworld_variations import Variations, far_enough

ATTEMPT = 160
"""Steps of the expert, unless it succeeds before."""
BEYOND = 5
"""Steps of the expert after its first success."""
WANDERING = 20
"""Steps of random actions."""
VARIATIONS = dict.fromkeys(TASKS, 1) | {"push-back-v3": 2}
"""Official variations in which the expert succeeds."""
NEAR_HIDDEN = {"box-close-v3": 0.01}
"""Tolerance of observations that hidden goals change slightly: the box tilts the lid."""


def reference_env(task, vector):
    """Meta-World's env as a user makes it, for one episode."""
    from metaworld import ALL_V3_ENVIRONMENTS

    env = ALL_V3_ENVIRONMENTS[task]()
    env._set_task_called = True
    env._partially_observable = False
    del env.sawyer_observation_space
    env._last_rand_vec = vector.copy()
    return env


@pytest.fixture(scope="module")
def simulator(task):
    """A simulator without dense reward, shared by all tests of a task."""
    from robomtl.envs.metaworld_fast import FastSimulator

    return FastSimulator(task, dense_reward=False)


def disturb(simulator, vector):
    """Leaves another episode behind in a simulator."""
    simulator.begin(vector)
    for _ in range(5):
        simulator.step(np.array([1, -1, -1, 1], np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS, scope="module")
def test_episodes_are_those_of_metaworld_after_any_other_episode(task, simulator):
    from robomtl.envs.metaworld_fast import FastSimulator

    variations = Variations(task, "MT50")
    vector = variations.vector(VARIATIONS[task])
    env = reference_env(task, vector)
    sparse, dense = simulator, FastSimulator(task, dense_reward=True)
    state, _ = env.reset()
    for each in (dense, sparse):  # The second restores what the first simulated.
        disturb(each, variations.vector(1_000_000))
        np.testing.assert_allclose(each.begin(vector), state, rtol=0, atol=1e-12)
    ours, theirs = [], []
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
        assert outcome.success == rewarded.success == bool(info["success"])
        ours.append([*outcome.state, rewarded.reward])
        theirs.append([*state, reward])
        if outcome.success:
            attempt, succeeded = min(attempt, BEYOND), True
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
    assert succeeded


def two_goals_of_one_object(task):
    """Two accepted vectors that place the object alike and the goal, if they can, not."""
    drawn = map(Variations(task, "ML1").vector, range(1_000_000, 1_000_400))
    first = next(drawn)
    if len(first) == 3:
        return first, next(drawn)
    composed = (np.concatenate([first[:3], other[3:]]) for other in drawn)
    return first, next(each for each in composed if far_enough(task, each))


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS, scope="module")
def test_a_hidden_goal_shows_in_no_other_number_of_the_first_state(task, simulator):
    first, second = (simulator.begin(v).copy() for v in two_goals_of_one_object(task))
    goals_differ = np.abs(first[36:] - second[36:]).max() > 0.002
    tolerance = NEAR_HIDDEN.get(task, 0.0)
    alike = np.allclose(first[:36], second[:36], rtol=0, atol=tolerance)
    assert (goals_differ and alike) == (task in HIDDEN_GOAL_TASKS)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS, scope="module")
def test_the_hand_starts_in_its_range_and_all_else_as_it_would_without(task, simulator):
    from robomtl.envs.metaworld_upstream import HAND_RANGE, hand_range

    vector = VariedStarts(Variations(task, "ML1", "ML1-test")).vector(1_000_000)
    own = simulator.begin(vector).copy()
    low, high = hand_range(task, simulator.env)
    assert (high - low <= HAND_RANGE[1] - HAND_RANGE[0] + 1e-12).all()
    for corner in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)):  # No two share an edge.
        state = simulator.begin(vector, np.array(corner)).copy()
        np.testing.assert_allclose(
            state[:3], low + np.array(corner) * (high - low), rtol=0, atol=0.015
        )
        np.testing.assert_array_equal(state[:18], state[18:36])
        np.testing.assert_allclose(state[4:18], own[4:18], rtol=0, atol=0.03)
        np.testing.assert_allclose(state[36:], own[36:], rtol=0, atol=1e-4)


@pytest.mark.slow
def test_the_starts_kept_are_bounded(monkeypatch):
    from robomtl.envs import metaworld_fast
    from robomtl.envs.metaworld_memory import Latest

    kept = Latest(2)
    monkeypatch.setattr(metaworld_fast, "_STARTS", kept)
    simulator = metaworld_fast.FastSimulator("reach-v3", dense_reward=False)
    vectors = [Variations("reach-v3", "MT50").vector(index) for index in range(3)]
    for index in (0, 1, 0, 2):
        simulator.begin(vectors[index])
    starts = [kept.get(("reach-v3", vector.tobytes())) for vector in vectors]
    assert [start is None for start in starts] == [False, True, False]
