"""Variations that share a goal and start differently."""

import itertools
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import tyro

import robomtl
from robomtl.checking.checking import check_suite as check
from robomtl.cli.flags import SuiteFlags
from robomtl.envs.metaworld import metaworld
from robomtl.envs.metaworld_config import MetaWorldConfig
from robomtl.envs.metaworld_starts import NUM_GOALS, VariedStarts
from robomtl.envs.metaworld_tasks import HIDDEN_GOAL_TASKS, TASKS
from robomtl.envs.metaworld_variations import Variations, bounds, far_enough
from robomtl.task import GoalSuite

pytestmark = pytest.mark.usefixtures("forked_workers")

VARIED = MetaWorldConfig(starts="varied")
REACH = metaworld("ML1/reach-v3", VARIED)
SPLITS = ("official", "official_test", "fresh", "train")


def varied(task):
    return VariedStarts(Variations(task, "ML1", "ML1-test"))


def test_starts_are_fixed_unless_asked_for_and_then_among_the_options():
    assert "starts" not in metaworld("ML1/reach-v3").options
    assert REACH.options["starts"] == "varied"
    assert robomtl.suite(REACH.name, **REACH.options) == REACH
    assert REACH.expert_suite.config.starts == "varied"


def test_the_command_line_varies_starts():
    flags = tyro.cli(SuiteFlags, args=["--starts", "varied"])
    assert flags.make("metaworld/ML1/reach-v3") == REACH
    with pytest.raises(ValueError, match=r"'points/MT4': Unknown option 'starts'"):
        flags.make("points/MT4")


def test_unknown_starts_are_refused():
    with pytest.raises(ValueError, match="Unknown starts 'vary'. .*fixed, varied"):
        metaworld("ML10", MetaWorldConfig(starts="vary"))


def test_splits_are_disjoint_and_each_has_as_many_goals():
    splits = [REACH.variations("reach-v3", split) for split in SPLITS]
    assert all(a.stop <= b.start for a, b in itertools.pairwise(splits))
    goals = [REACH.goal_numbers("reach-v3", split) for split in SPLITS]
    assert {len(each) for each in goals} == {NUM_GOALS}
    assert isinstance(REACH, GoalSuite)


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_goes_through_its_goals_before_it_comes_back_to_the_first(split):
    goals, variations = (
        REACH.goal_numbers("reach-v3", split),
        REACH.variations("reach-v3", split),
    )
    met = [REACH.goal_number("reach-v3", each) for each in variations[: 2 * len(goals)]]
    assert met == [*goals, *goals]
    groups = [REACH.variations_of_goal("reach-v3", goal) for goal in goals]
    assert sum(map(len, groups)) == len(variations)
    assert {each[0] for each in groups} == set(goals)
    ends = [end for each in groups for end in (each[0], each[-1])]  # They are ranges.
    assert variations[0] <= min(ends) and max(ends) <= variations[-1]


def test_with_fixed_starts_each_variation_has_its_own_goal():
    suite = metaworld("ML1/reach-v3")
    assert suite.goal_number("reach-v3", 1_000_007) == 1_000_007
    assert list(suite.variations_of_goal("reach-v3", 7)) == [7]
    assert suite.goal_numbers("reach-v3", "official") == range(50)


@pytest.mark.parametrize("suite", [REACH, metaworld("ML1/reach-v3")])
def test_what_is_no_variation_has_no_goal(suite):
    for call in (suite.goal_number, suite.variations_of_goal):
        with pytest.raises(
            ValueError, match=r"Unknown variation 3000000 of 'reach-v3'"
        ):
            call("reach-v3", 3_000_000)
    with pytest.raises(ValueError, match="Unknown split 'fres'. Did you mean 'fresh'"):
        suite.goal_numbers("reach-v3", "fres")
    with pytest.raises(ValueError, match="'reech-v3'. Did you mean 'reach-v3'"):
        suite.goal_number("reech-v3", 0)


def test_what_is_no_goal_has_no_variations():
    message = "1000050 is not a goal of 'reach-v3', but a variation of goal 1000000"
    with pytest.raises(ValueError, match=message):
        REACH.variations_of_goal("reach-v3", 1_000_050)


@pytest.mark.parametrize("task", TASKS)
def test_vectors_of_a_goal_share_it_and_are_accepted_by_metaworld(task):
    variations, (low, high) = varied(task), bounds(task)
    for split in SPLITS:
        for goal in variations.goal_numbers(split)[::10]:
            starts = variations.variations_of_goal(goal)[:5]
            vectors = [variations.vector(each) for each in starts]
            for vector in vectors:
                assert (low <= vector).all() and (vector <= high).all()
                assert far_enough(task, vector)
                shared = slice(3, None) if task in HIDDEN_GOAL_TASKS else slice(None)
                np.testing.assert_array_equal(vector[shared], vectors[0][shared])
            objects = {vector[:3].tobytes() for vector in vectors}
            moves = task in HIDDEN_GOAL_TASKS and (low < high)[:3].any()
            assert len(objects) == (5 if moves else 1)
            assert len({variations.hand(each).tobytes() for each in starts}) == 5


def test_goals_are_those_of_the_variations_of_the_same_number_with_fixed_starts():
    variations = varied("push-v3")
    fixed = variations.one_start
    pairs = [(0, 0), (49, 49), (500_000, 50), (500_049, 99), (1_000_003, 1_000_003)]
    for goal, number in pairs:
        expected = fixed.vector(number)[3:]
        np.testing.assert_array_equal(variations.vector(goal)[3:], expected)


def test_a_start_follows_from_the_task_and_the_number_alone():
    variations = varied("push-v3")
    expected = VariedStarts(Variations("push-v3", "ML45"))
    for variation in (np.int64(2_000_051), 2_000_051.0):
        same = expected.vector(2_000_051), expected.hand(2_000_051)
        np.testing.assert_array_equal(variations.vector(variation), same[0])
        np.testing.assert_array_equal(variations.hand(variation), same[1])
        assert (same[1] >= 0).all() and (same[1] <= 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["reach-v3", "door-close-v3", "stick-pull-v3"])
def test_varied_starts_are_alike_fast_and_upstream(task):
    from robomtl.envs.metaworld_fast import FastSimulator
    from robomtl.envs.metaworld_upstream import UpstreamSimulator

    variations = varied(task)
    fast, upstream = FastSimulator(task, dense_reward=True), UpstreamSimulator(task)
    for variation in (0, 50, 0):  # The last is restored from memory.
        start = variations.vector(variation), variations.hand(variation)
        np.testing.assert_array_equal(fast.begin(*start), upstream.begin(*start))
        for action in np.random.default_rng(0).uniform(-1, 1, (20, 4)):
            ours = fast.step(action.astype(np.float32))
            theirs = upstream.step(action.astype(np.float32))
            np.testing.assert_allclose(ours.state, theirs.state, rtol=0, atol=1e-12)
            assert ours.reward == pytest.approx(theirs.reward, abs=1e-12)
    # And nothing of the hand is left to an episode with Meta-World's own start.
    vector = variations.one_start.vector(0)
    np.testing.assert_array_equal(fast.begin(vector), upstream.begin(vector))


@pytest.mark.slow
def test_suites_with_varied_starts_keep_the_contract():
    suite = metaworld("MT50", VARIED)
    assert not check(suite, tasks=["door-lock-v3"])


def _demonstration(env, expert, variation):
    """The expert's actions up to its success; None if it fails."""
    observation, _ = env.reset(options={"variation": variation})
    actions, truncated = [], False
    while not truncated:
        actions.append(expert(observation))
        observation, _, _, truncated, info = env.step(actions[-1])
        if info["success"]:
            return actions
    return None


def _replay(env, actions, variation):
    env.reset(options={"variation": variation})
    return any([env.step(action)[4]["success"] for action in actions])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["reach-v3", "push-v3"])
def test_replaying_a_demonstration_solves_its_own_start_and_seldom_another(task):
    suite = metaworld(f"ML1/{task}", replace(VARIED, goals="observable"))
    own, other = [], []
    with closing(suite.make_env(task)) as env:
        expert = suite.make_expert(task)
        for goal in suite.goal_numbers(task, "fresh")[:10]:
            first, second = suite.variations_of_goal(task, goal)[:2]
            actions = _demonstration(env, expert, first)
            own.append(_replay(env, actions, first))
            other.append(_replay(env, actions, second))
    assert all(own) and sum(other) <= 5


@pytest.mark.slow
def test_collecting_takes_one_variation_of_each_goal_after_another(tmp_path):
    suite = metaworld("ML1/reach-v3", replace(VARIED, horizon=100))
    assert suite.goal is None
    data = robomtl.collect(
        suite,
        tmp_path / "data",
        config=robomtl.CollectionConfig(episodes=60, noise=0.0),
        compute=robomtl.Compute(workers=1),
    )
    variations = data.episodes.variation.tolist()
    numbers = [suite.goal_number("reach-v3", each) for each in variations]
    goals = suite.goal_numbers("reach-v3", "train")
    assert numbers == [*goals, *goals[:10]]
