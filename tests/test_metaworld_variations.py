import copy
import functools
import importlib.machinery
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from gymnasium.envs.mujoco import MujocoEnv

from robomtl.envs.metaworld_tasks import DRAWS, SPLITS, TASKS
from robomtl.envs.metaworld_variations import (
    FILE,
    FRESH,
    OFFICIAL,
    TRAIN,
    Variations,
    bounds,
    far_enough,
)

SCRIPT = Path(__file__).parents[1] / "scripts" / "metaworld_variations"


def test_the_shipped_file_is_small_and_holds_numbers_only():
    assert FILE.stat().st_size < 400_000
    with np.load(FILE, allow_pickle=False) as arrays:
        assert set(arrays.files) == {*DRAWS, "low", "high"}
        for name in DRAWS:
            assert arrays[name].shape == (len(DRAWS[name]), 50, 6)
            assert arrays[name].dtype == np.float64


@pytest.mark.parametrize("task", TASKS)
def test_vectors_lie_within_bounds_and_are_accepted(task):
    variations = Variations(task, "MT50")
    low, high = bounds(task)
    vectors = [
        variations.vector(start + number)
        for start in (OFFICIAL.start, FRESH.start, TRAIN.start)
        for number in range(50)
    ]
    assert len({vector.tobytes() for vector in vectors}) == len(vectors)
    for vector in vectors:
        assert (low <= vector).all() and (vector <= high).all()
        assert far_enough(task, vector)


def test_a_vector_follows_from_the_task_and_the_number_alone():
    vector = Variations("push-v3", "MT25").vector(2_000_000)
    np.testing.assert_array_equal(
        vector, Variations("push-v3", "ML45").vector(np.int64(2_000_000))
    )
    expected = [-0.01388549, 0.65976415, 0.02, 0.04260523, 0.89882131, 0.01953218]
    np.testing.assert_allclose(vector, expected, atol=1e-8)  # As of the first release.


def test_official_goals_for_testing_differ_from_those_for_training():
    variations = Variations("push-v3", "ML1", "ML1-test")
    assert not np.array_equal(variations.vector(0), variations.vector(50))


@pytest.mark.parametrize("variation", [-1, 50, 3_000_000, 0.5, "1"])
def test_unknown_variations_are_refused_with_the_known(variation):
    message = (
        "Unknown variation .* of 'push-v3'. Known: 0 to 49 .official., 1000000 to"
        " 1999999 .fresh., 2000000 to 2999999 .train."
    )
    with pytest.raises(ValueError, match=message):
        Variations("push-v3", "MT25").vector(variation)


@pytest.fixture(scope="module")
def script():
    loader = importlib.machinery.SourceFileLoader("metaworld_script", str(SCRIPT))
    spec = importlib.util.spec_from_loader("metaworld_script", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    module.benchmarks = functools.cache(module.benchmarks)  # Making one takes seconds.
    return module


@pytest.fixture(scope="module")
def envs():
    """Meta-World's env of every task; each model is compiled once and then copied."""
    import metaworld
    import mujoco

    compiled = functools.cache(mujoco.MjModel.from_xml_path)

    def initialize(env):
        model = copy.copy(compiled(env.fullpath))
        return model, mujoco.MjData(model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MujocoEnv, "_initialize_simulation", initialize)
        yield {name: metaworld.ALL_V3_ENVIRONMENTS[name]() for name in TASKS}


@pytest.fixture
def without_physics(script, monkeypatch):
    """Resets as in the script: they draw what they draw, and simulate nothing."""
    from metaworld.sawyer_xyz_env import SawyerXYZEnv

    briefly = functools.partialmethod(SawyerXYZEnv._reset_hand, steps=1)
    monkeypatch.setattr(SawyerXYZEnv, "do_simulation", script.without_dynamics)
    monkeypatch.setattr(SawyerXYZEnv, "_reset_hand", briefly)


def drawn(env, number):
    """Random vectors of some resets in a row, and the next number after them."""
    env._freeze_rand_vec, env._set_task_called = False, True
    np.random.seed(42)
    vectors = []
    for _ in range(number):
        env.reset()
        vectors.append(env._last_rand_vec)
    return np.array(vectors), np.random.random()


@pytest.fixture(scope="module")
def with_physics(envs):
    return {name: drawn(envs[name], 2) for name in TASKS}


@pytest.mark.slow
def test_goals_do_not_depend_on_physics(with_physics, envs, without_physics):
    for name in TASKS:
        vectors, following = drawn(envs[name], 2)
        np.testing.assert_array_equal(vectors, with_physics[name][0])
        assert following == with_physics[name][1]


def assert_official(vectors, names, draw):
    """Upstream's vectors are those shipped, of the same tasks in the same order."""
    assert list(vectors) == list(names)
    for name in names:
        shipped = [Variations(name, draw).vector(index) for index in OFFICIAL]
        np.testing.assert_array_equal(shipped, vectors[name])


def upstream_vectors(tasks, envs):
    """The random vectors of upstream's pickled tasks, by name."""
    vectors = {}
    for task in tasks:
        env = envs[task.env_name]
        _ = env.sawyer_observation_space  # set_task fails unless it is cached.
        env.set_task(task)
        vectors.setdefault(task.env_name, []).append(env._last_rand_vec)
    return vectors


@pytest.mark.slow
@pytest.mark.parametrize("benchmark", SPLITS)
def test_official_goals_are_those_of_metaworld(
    benchmark, script, envs, without_physics
):
    (made,), split = script.benchmarks(benchmark), SPLITS[benchmark]
    vectors = upstream_vectors(made.train_tasks, envs)
    assert_official(vectors, split.train, split.train_draw)
    if split.held_out:
        vectors = upstream_vectors(made.test_tasks, envs)
        for name in split.train:  # Of ML25 one is trained on and tested.
            vectors.pop(name, None)
        assert_official(vectors, split.held_out, split.held_out_draw)


@pytest.mark.slow
def test_official_goals_of_one_task_are_those_of_metaworld(envs, without_physics):
    import metaworld

    ml1 = metaworld.ML1("push-v3", seed=42)
    assert_official(upstream_vectors(ml1.train_tasks, envs), ["push-v3"], "ML1")
    assert_official(upstream_vectors(ml1.test_tasks, envs), ["push-v3"], "ML1-test")
    mt1 = metaworld.MT1("push-v3", seed=42)
    assert_official(upstream_vectors(mt1.train_tasks, envs), ["push-v3"], "ML1")


@pytest.mark.slow
@pytest.mark.parametrize("draw", ["ML10", "ML10-held-out", "ML25-held-out"])
def test_the_script_draws_what_is_shipped(draw, script, envs, without_physics):
    with np.load(FILE, allow_pickle=False) as shipped:
        np.testing.assert_array_equal(script.draw(draw, envs), shipped[draw])
