import subprocess
import sys
import warnings
from collections import Counter
from dataclasses import FrozenInstanceError
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

import robomtl.suites
from robomtl.checking.checking import check_suite as check
from robomtl.envs.metaworld import metaworld
from robomtl.envs.metaworld_benchmarks import VARIANTS
from robomtl.envs.metaworld_config import MetaWorldConfig
from robomtl.envs.metaworld_tasks import FAMILIES, TASKS, TIERS

pytestmark = pytest.mark.usefixtures("forked_workers")

SIZES = {
    "MT10": (10, 0),
    "MT25": (25, 0),
    "MT50": (50, 0),
    "MT1/reach-v3": (1, 0),
    "ML1/reach-v3": (1, 0),
    "ML10": (10, 5),
    "ML25": (25, 4),
    "ML45": (45, 5),
    "walls": (2, 0),
}


@pytest.mark.parametrize(("variant", "sizes"), SIZES.items())
def test_a_suite_has_the_tasks_of_its_benchmark(variant, sizes):
    suite = robomtl.suites.suite(f"metaworld/{variant}")
    names = [task.name for task in (*suite.train_tasks, *suite.held_out_tasks)]
    assert (len(suite.train_tasks), len(suite.held_out_tasks)) == sizes
    assert len(set(names)) == len(names)
    assert suite.name == f"metaworld/{variant}"


def test_every_variant_is_listed():
    assert metaworld.variants is VARIANTS
    assert {variant.partition("/")[0] for variant in SIZES} | {"custom"} == {
        variant.partition("/")[0] for variant in VARIANTS
    }


def test_tasks_have_instructions_and_the_tiers_of_lerobot():
    tasks = metaworld("MT50").train_tasks
    assert Counter(task.tier for task in tasks) == {
        "easy": 28,
        "medium": 11,
        "hard": 6,
        "very hard": 5,
    }
    assert set(TIERS) == set(TASKS)
    assert len({task.instruction for task in tasks}) == 50


def test_the_factory_makes_mt10_unless_told_otherwise():
    assert metaworld() == metaworld("MT10")


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("MT50", {"reward": "dense", "horizon": 200}),
        ("ML1/push-v3", {"goals": "observable", "upstream": True}),
        ("custom", {"train_tasks": ["push-v3"], "held_out_tasks": ["reach-v3"]}),
    ],
)
def test_a_suite_is_made_again_from_its_name_and_options(variant, options):
    suite = metaworld(variant, MetaWorldConfig(**options))
    assert robomtl.suites.suite(suite.name, **suite.options) == suite
    assert ForkingPickler.loads(ForkingPickler.dumps(suite)) == suite


def test_a_suite_is_made_without_importing_a_simulator():
    code = (
        "import sys, time, robomtl.suites; start = time.process_time();"
        "s = robomtl.suites.suite('metaworld/MT50'); s.train_tasks;"
        "s.variations('reach-v3', 'official');"
        "assert time.process_time() - start < 1;"
        "assert not {'mujoco', 'metaworld'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_options_by_their_names_are_taken_and_answered_by_the_config(capsys):
    options = {"goals": "observable", "horizon": 200}
    assert metaworld("ML10", **options) == robomtl.suite("metaworld/ML10", **options)
    present = "config=MetaWorldConfig(goals='observable', horizon=200)."
    assert f"metaworld takes these settings in a dataclass; give {present}" in (
        capsys.readouterr().err
    )


def test_a_suite_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        metaworld().config = MetaWorldConfig(horizon=3)


def test_goals_are_hidden_in_ml_suites_unless_asked_for():
    assert metaworld("ML10").goal is None
    assert metaworld("ML10", MetaWorldConfig(goals="observable")).goal == slice(36, 39)
    assert metaworld("MT10").goal == slice(36, 39)
    assert metaworld("custom", MetaWorldConfig(train_tasks=["push-v3"])).goal == slice(
        36, 39
    )


def test_splits_are_disjoint_and_a_test_split_exists_where_training_tasks_are_tested():
    suite = metaworld("ML1/reach-v3")
    splits = [
        suite.variations("reach-v3", name)
        for name in ("official", "official_test", "fresh", "train")
    ]
    assert [len(split) for split in splits] == [50, 50, 1_000_000, 1_000_000]
    assert all(a.stop <= b.start for a, b in zip(splits, splits[1:], strict=False))
    ml25 = metaworld("ML25")
    assert len(ml25.variations("basketball-v3", "official_test")) == 50
    with pytest.raises(ValueError, match="Unknown split 'official_test'. Did you mean"):
        ml25.variations("push-v3", "official_test")


@pytest.mark.parametrize(
    ("variant", "options", "message"),
    [
        ("MT11", {}, "Unknown variant of metaworld 'MT11'. Did you mean 'MT1"),
        ("MT1", {}, "Unknown variant of metaworld 'MT1'"),
        ("ML1/reech-v3", {}, "Unknown ML1 task 'reech-v3'. Did you mean 'reach-v3'"),
        ("MT10", {"goals": "hidden"}, "metaworld/MT10 cannot hide goals"),
        ("ML10", {"goals": "hiden"}, "Unknown goals 'hiden'. Did you mean 'hidden'"),
        ("ML10", {"reward": "sparse"}, "Unknown reward 'sparse'.*dense, success"),
        ("MT10", {"horizon": 0}, "horizon is 0; give at least 1"),
        ("MT10", {"train_tasks": ["push-v3"]}, "are for metaworld/custom"),
        ("custom", {}, "has no train_tasks; give at least 1"),
        (
            "MT10",
            {"cameras": ["corner5"]},
            "Unknown camera of metaworld/MT10 'corner5'. Did you mean 'corner'",
        ),
        ("MT10", {"cameras": "topview", "size": 15}, "size is 15; give 16 to 1024"),
        ("MT10", {"cameras": ["topview"] * 2}, "'topview' is named twice"),
        (
            "MT10",
            {"cameras": "topview", "profile": "fats"},
            "Unknown profile 'fats'. Did you mean 'fast'",
        ),
        ("MT10", {"size": 84}, "size of pictures is given without a camera; name"),
        (
            "custom",
            {"train_tasks": ["push-v2"]},
            "Unknown metaworld task 'push-v2'. Did you mean 'push-v3'",
        ),
        (
            "custom",
            {"train_tasks": ["push-v3"], "held_out_tasks": ["push-v3"]},
            "names push-v3 more than once",
        ),
    ],
)
def test_what_a_suite_does_not_know_is_refused(variant, options, message):
    with pytest.raises(ValueError, match=message):
        metaworld(variant, MetaWorldConfig(**options))


@pytest.mark.parametrize("method", ["make_env", "make_expert"])
def test_unknown_tasks_are_refused_with_the_nearest(method):
    with pytest.raises(ValueError, match="'pusch-v3'. Did you mean 'push-v3'"):
        getattr(metaworld("MT10"), method)("pusch-v3")


def test_experts_of_hidden_goals_are_found_in_the_expert_suite():
    suite = metaworld("ML10")
    with pytest.raises(ValueError, match="act in suite.expert_suite"):
        suite.make_expert("push-v3")
    assert suite.expert_suite == metaworld("ML10", MetaWorldConfig(goals="observable"))
    assert metaworld("MT10").expert_suite == metaworld("MT10")


def test_grippers_are_never_disturbed():
    assert metaworld("MT10").undisturbed_actions == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("basketball-v3", {}),
        ("door-lock-v3", {"upstream": True, "reward": "dense"}),
    ],
)
def test_suites_keep_the_contract(task, options):
    assert not check(metaworld("MT50", MetaWorldConfig(**options)), tasks=[task])


@pytest.mark.slow
def test_states_of_hidden_goals_are_those_of_the_expert_suite_but_for_the_goal():
    suite = metaworld("ML10")
    expert = suite.expert_suite.make_expert("push-v3")
    hidden = suite.make_env("push-v3")
    shown = suite.expert_suite.make_env("push-v3")
    pair = [env.reset(options={"variation": 7})[0]["state"] for env in (hidden, shown)]
    for _ in range(20):
        np.testing.assert_array_equal(pair[0][:36], pair[1][:36])
        assert not pair[0][36:].any() and pair[1][36:].any()
        action = expert({"state": pair[1]})
        assert action.dtype == np.float32 and (np.abs(action) <= 1).all()
        pair = [env.step(action)[0]["state"] for env in (hidden, shown)]


@pytest.mark.slow
def test_an_expert_is_quiet_and_leaves_warnings_as_they_were():
    expert = metaworld("MT10").make_expert("door-open-v3")
    state = np.zeros(39, np.float32)  # Far enough off that the script warns.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        expert({"state": state})
        metaworld("MT10").make_expert("reach-v3")
        assert warnings.filters == before
        assert not caught
        expert._policy.get_action(state)
    assert "Constant" in str(caught[0].message)


@pytest.mark.slow
def test_experts_succeed():
    suite = metaworld("MT10")
    for task in suite.train_tasks:
        env, expert = suite.make_env(task.name), suite.make_expert(task.name)
        observation, info = env.reset(options={"variation": 1})
        truncated = False
        while not (info["success"] or truncated):
            observation, _, _, truncated, info = env.step(expert(observation))
        assert info["success"], task.name


@pytest.mark.slow
def test_only_reach_and_pick_place_of_a_family_start_alike():
    suite = metaworld()
    family = suite.families["reach-push-pick-place"]
    ranges = {}
    for task in family:
        env = suite.make_env(task)
        starts = [
            env.reset(options={"variation": variation})[0]["state"]
            for variation in suite.variations(task, "fresh")[:25]
        ]
        env.close()
        ranges[task] = np.min(starts, axis=0), np.max(starts, axis=0)

    def apart(one, other):
        """Whether some number of the first state tells the two tasks apart."""
        (low, high), (other_low, other_high) = ranges[one], ranges[other]
        return bool(((low > other_high) | (high < other_low)).any())

    assert not apart("reach-v3", "pick-place-v3")
    assert apart("push-v3", "reach-v3")
    assert apart("push-v3", "pick-place-v3")


def test_families_are_of_tasks_that_exist():
    names = [name for family in FAMILIES.values() for name in family]
    assert set(names) <= set(TASKS)
    assert metaworld("MT50").families == FAMILIES
    assert metaworld("MT1/reach-v3").families == {}


def test_cameras_are_options_that_make_the_suite_again_and_are_left_out_without_any():
    seen = metaworld("MT10", MetaWorldConfig(cameras="corner2-close", size=96))
    assert seen.options["cameras"] == ["corner2-close"]
    assert (seen.options["size"], seen.options["profile"]) == (96, "fast")
    assert robomtl.suites.suite(seen.name, **seen.options) == seen
    assert not {"cameras", "size", "profile"} & {*metaworld("MT10").options}
