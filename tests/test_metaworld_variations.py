import importlib.machinery
import importlib.util
from pathlib import Path

import numpy as np
import pytest

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


LOOKED_AT = OFFICIAL[::7]
"""Vectors of a task are drawn one after the other: one amiss moves all that follow."""


def upstream_vectors(tasks, envs):
    """Some random vectors of upstream's pickled tasks, by name, 50 of each in a row."""
    vectors = {}
    for task in (task for place, task in enumerate(tasks) if place % 50 in LOOKED_AT):
        env = envs[task.env_name]
        _ = env.sawyer_observation_space  # set_task fails unless it is cached.
        env.set_task(task)
        vectors.setdefault(task.env_name, []).append(env._last_rand_vec)
    return vectors


def assert_official(vectors, names, draw):
    assert list(vectors) == list(names)
    for name in names:
        shipped = [Variations(name, draw).vector(index) for index in LOOKED_AT]
        np.testing.assert_array_equal(shipped, vectors[name])


@pytest.mark.slow
def test_official_goals_are_those_of_metaworld():
    import metaworld

    envs = {name: cls() for name, cls in metaworld.ALL_V3_ENVIRONMENTS.items()}
    for benchmark, make in (("MT50", metaworld.MT50), ("ML45", metaworld.ML45)):
        made, split = make(seed=42), SPLITS[benchmark]
        vectors = upstream_vectors(made.train_tasks, envs)
        assert_official(vectors, split.train, split.train_draw)
        if split.held_out:
            vectors = upstream_vectors(made.test_tasks, envs)
            assert_official(vectors, split.held_out, split.held_out_draw)


@pytest.mark.slow
def test_official_goals_of_small_benchmarks_are_those_of_metaworld():
    import metaworld

    envs = {name: metaworld.ALL_V3_ENVIRONMENTS[name]() for name in DRAWS["MT25"]}
    mt10 = upstream_vectors(metaworld.MT10(seed=42).train_tasks, envs)
    assert_official(mt10, SPLITS["MT10"].train, SPLITS["MT10"].train_draw)
    ml1 = metaworld.ML1("push-v3", seed=42)
    assert_official(upstream_vectors(ml1.train_tasks, envs), ["push-v3"], "ML1")
    assert_official(upstream_vectors(ml1.test_tasks, envs), ["push-v3"], "ML1-test")
    mt1 = metaworld.MT1("push-v3", seed=42)
    assert_official(upstream_vectors(mt1.train_tasks, envs), ["push-v3"], "ML1")


@pytest.mark.slow
@pytest.mark.parametrize("draw", ["ML10", "ML10-held-out", "ML25-held-out"])
def test_the_script_draws_what_is_shipped(draw, monkeypatch):
    import metaworld
    from metaworld.sawyer_xyz_env import SawyerXYZEnv

    loader = importlib.machinery.SourceFileLoader("metaworld_script", str(SCRIPT))
    script = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("metaworld_script", loader)
    )
    loader.exec_module(script)
    monkeypatch.setattr(SawyerXYZEnv, "do_simulation", script.without_dynamics)
    envs = {name: metaworld.ALL_V3_ENVIRONMENTS[name]() for name in DRAWS[draw]}
    with np.load(FILE, allow_pickle=False) as shipped:
        np.testing.assert_array_equal(script.draw(draw, envs), shipped[draw])
