import math

import numpy as np
import pytest

from robomtl.evaluation.statistics import Count, mean_interval
from robomtl.experiments.adapt.ranking import ranking
from robomtl.experiments.analysis import difference_of, differences_of
from robomtl.experiments.crossed import (
    compared,
    differences,
    mean_of,
    parts_of,
    success_interval,
)
from robomtl.experiments.curves import area, shots_for
from robomtl.experiments.multitask.crossover import crossover
from robomtl.experiments.paired import Moments, mean_difference
from robomtl.experiments.spread import Spread


def scores(rates, shape, seed=0):
    """Trials of a crossed design that succeed at a rate."""
    return (np.random.default_rng(seed).random(shape) < rates).astype(float)


def test_the_area_under_a_straight_line_in_log_shots_is_its_mean_height():
    assert area([1, 10, 100], [np.array(v) for v in (0.2, 0.4, 0.6)]) == pytest.approx(
        0.4
    )


def test_the_area_weighs_shots_by_their_logarithm():
    # 1 to 2 is one octave, 2 to 8 are two: (0.5 + 2 * 1) / 3.
    heights = [np.array(v) for v in (0.0, 1.0, 1.0)]
    assert area([1, 2, 8], heights) == pytest.approx((0.5 + 2.0) / 3)


def test_shots_between_two_numbers_are_read_off_along_the_logarithm():
    assert shots_for(0.5, [1, 4, 16], [0.1, 0.4, 0.6]) == pytest.approx(8.0)
    assert shots_for(0.4, [1, 4, 16], [0.1, 0.4, 0.6]) == pytest.approx(4.0)


def test_shots_are_none_where_no_number_suffices_and_the_fewest_where_they_do():
    assert shots_for(0.8, [1, 5], [0.1, 0.7]) is None
    assert shots_for(0.8, [2, 5], [0.9, 0.7]) == 2.0


def test_a_curve_that_falls_counts_from_its_first_crossing():
    assert shots_for(0.5, [1, 10, 100], [0.0, 1.0, 0.2]) == pytest.approx(math.sqrt(10))


def test_trials_alone_give_the_interval_where_everything_is_solved():
    found = success_interval({"a": np.ones((3, 3, 1, 20))})
    assert found == pytest.approx(mean_interval([Count(180, 180)], [1.0]))
    assert found.low < 1.0


def test_one_policy_has_the_interval_of_its_trials():
    solved = {"a": scores(0.7, (1, 1, 1, 50)), "b": scores(0.4, (1, 1, 1, 50), seed=1)}
    counts = [Count(int(some.sum()), 50) for some in solved.values()]
    found = success_interval(solved)
    assert found == pytest.approx(mean_interval(counts, [0.5, 0.5]), abs=0.005)


def test_seeds_that_differ_widen_the_interval_beyond_that_of_trials():
    seeds = np.stack([scores(p, (3, 1, 50), seed=i) for i, p in enumerate((0, 0.5, 1))])
    found = success_interval({"a": seeds})
    alone = mean_interval([Count(int(seeds.sum()), seeds.size)], [1.0])
    assert found.low < alone.low - 0.2
    assert found.high > alone.high + 0.2


def test_a_seed_is_drawn_for_all_tasks_at_once():
    # The same seed is lucky in all tasks, so more tasks do not help.
    lucky = np.stack([np.zeros((1, 1, 40)), np.ones((1, 1, 40)), np.ones((1, 1, 40))])
    one = success_interval({"a": lucky})
    four = success_interval(dict.fromkeys("abcd", lucky))
    assert four.low == pytest.approx(one.low)


def test_the_parts_add_up_to_the_variance_of_the_mean():
    # Success is the sum of independent effects of the seed, the draw and the trial.
    generator = np.random.default_rng(1)
    found = []
    for _ in range(300):
        seed, draw = (
            generator.normal(size=(3, 1, 1, 1)),
            generator.normal(size=(1, 4, 1, 1)),
        )
        values = seed + draw + generator.normal(size=(3, 4, 1, 10))
        found.append(sum(p.sign * p.variance for p in parts_of([values], [1.0])))
    assert np.mean(found) == pytest.approx(1 / 3 + 1 / 4 + 1 / 120, rel=0.1)


def test_two_seeds_have_one_degree_of_freedom():
    seeds = np.stack([np.full((1, 1, 1), rate) for rate in (0.4, 0.6)])
    (part,) = parts_of([seeds] * 3, [1 / 3] * 3)
    assert (part.axes, part.freedom) == ((0,), 1)
    assert Spread((part,), 0.0).half_width(0.95) == pytest.approx(
        12.706 * 0.1, rel=1e-3
    )


def test_a_p_value_is_the_level_at_which_the_interval_ends_at_zero():
    base = {"x": scores(0.6, (4, 3, 1, 20)) - scores(0.4, (4, 3, 1, 20), seed=1)}
    centre, variance = mean_difference(
        [Moments(240, float(base["x"].sum()), float((base["x"] ** 2).sum()))]
    )
    spread = Spread(parts_of([base["x"]], [1.0]), variance)
    level = spread.p_value(centre)
    assert spread.half_width(1 - level) == pytest.approx(centre, rel=0.01)


def test_errors_are_in_no_rate():
    some = np.array([1.0, 0.0, np.nan, np.nan]).reshape(1, 1, 1, 4)
    low, high = success_interval({"a": some})
    assert low < 0.5 < high
    assert high - low == pytest.approx(
        np.diff(mean_interval([Count(1, 2)], [1.0]))[0], abs=0.1
    )


def test_differences_pair_trials_and_leave_out_what_one_of_both_lacks():
    a = {"x": np.array([1.0, 1.0, np.nan]).reshape(1, 1, 1, 3)}
    b = {"x": np.array([0.0, 1.0, 1.0]).reshape(1, 1, 1, 3), "y": np.ones((1, 1, 1, 3))}
    found = differences(a, b)
    assert list(found) == ["x"]
    np.testing.assert_array_equal(found["x"].ravel(), [1.0, 0.0, np.nan])


def test_a_method_without_draws_meets_every_draw_of_another():
    once, drawn = np.ones((2, 1, 1, 3)), np.zeros((2, 4, 1, 3))
    assert differences({"x": once}, {"x": drawn})["x"].shape == (2, 4, 1, 3)


def test_pairing_narrows_the_interval_of_a_difference():
    base = scores(0.5, (5, 5, 1, 40))
    same = {"x": base - base}
    apart = {"x": base - scores(0.5, (5, 5, 1, 40), seed=9)}
    narrow, wide = compared(same).interval, compared(apart).interval
    assert narrow.high - narrow.low < (wide.high - wide.low) / 3
    assert narrow.low < 0 < narrow.high


def normal(level, seeds, generator, *, tasks=10, trials=20):
    """Trials of policies that differ in all tasks alike, on starts that all share."""
    logits = (
        level
        + np.linspace(-1, 1, tasks)[:, None, None, None, None]
        + 0.4 * generator.normal(size=(1, seeds, 1, 1, 1))
        + generator.normal(size=(tasks, 1, 1, 1, trials))
    )
    drawn = generator.random(logits.shape) < 1 / (1 + np.exp(-logits))
    return {f"task-{place}": some.astype(float) for place, some in enumerate(drawn)}


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_intervals_hold_the_true_success_about_as_often_as_they_say(seeds):
    generator, repeats = np.random.default_rng(seeds), 200
    truth = mean_of(list(normal(1.0, 2000, generator, trials=100).values()))
    held = 0
    for _ in range(repeats):
        low, high = success_interval(normal(1.0, seeds, generator))
        held += low <= truth <= high
    assert 0.9 <= held / repeats <= 0.99


@pytest.mark.parametrize("seeds", [1, 2])
def test_equal_methods_are_hardly_ever_worse_in_some_of_fifty_tasks(seeds):
    generator, uncorrected, alarms = np.random.default_rng(seeds), 0, 0
    for _ in range(6):
        a, b = (
            {f"t{n}": scores(0.7, (seeds, 1, 1, 50), generator) for n in range(50)}
            for _ in "ab"
        )
        found = difference_of(a, b)
        uncorrected += any(each.interval.high < 0 for each in found.tasks.values())
        alarms += bool(found.worse)
    assert uncorrected >= 3
    assert alarms == 0


def test_tasks_are_named_with_holm_s_correction_for_all_conditions_at_once():
    lost, kept = np.zeros((1, 1, 1, 7)), np.ones((1, 1, 1, 7))
    alone = differences_of({1: ({"x": lost}, {"x": kept})})
    assert alone[1].worse == ("x",)  # McNemar's p is 0.016.
    many = differences_of({n: ({"x": lost}, {"x": kept}) for n in range(4)})
    assert many[1].worse == ()


def test_an_arm_pays_up_to_a_number_of_demonstrations_by_holm_s_correction_for_them():
    kept, lost = np.ones((1, 1, 1, 7)), np.zeros((1, 1, 1, 7))
    even = np.arange(7.0).reshape(1, 1, 1, 7) % 2
    pays, level = ({"x": kept}, {"x": lost}), ({"x": even}, {"x": 1 - even})
    assert crossover(differences_of({1: pays})).pays_up_to == 1  # p is 0.016.
    many = differences_of({1: pays, 2: level, 5: level, 10: level})
    assert many[1].interval.low > 0
    assert crossover(many).pays_up_to is None


def test_too_few_seeds_or_supports_give_no_ranking():
    found = ranking({}, seeds=3, supports=5)
    assert found.order == ()
    assert found.sentence.endswith("there are 3 seeds and 5 draws.")


def test_enough_seeds_and_supports_rank_methods_and_say_which_are_not_apart():
    shape = (5, 5, 1, 20)
    curves = {
        "poor": {1: {"x": scores(0.1, shape)}, 4: {"x": scores(0.2, shape, 1)}},
        "good": {1: {"x": scores(0.8, shape)}, 4: {"x": scores(0.9, shape, 1)}},
        "alike": {1: {"x": scores(0.8, shape)}, 4: {"x": scores(0.89, shape, 1)}},
    }
    found = ranking(curves, seeds=5, supports=5)
    assert found.order == ("good", "alike", "poor")
    assert found.sentence.endswith(
        "good is first; not significantly different, by Holm's correction for 3 pairs: alike."
    )
    apart = ranking({k: curves[k] for k in ("poor", "good")}, seeds=5, supports=5)
    assert apart.sentence.endswith(
        "good is first, significantly better than every other, by Holm's correction for 1 pair."
    )


def test_the_best_of_many_equal_methods_is_not_apart_from_the_others():
    generator, alarms = np.random.default_rng(0), 0
    for _ in range(20):
        curves = {
            f"m{n}": {1: {t: scores(0.5, (5, 5, 1, 10), generator) for t in "xy"}}
            for n in range(6)
        }
        sentence = ranking(curves, seeds=5, supports=5).sentence
        alarms += len(sentence.split(": ")[-1].split(", ")) < 5
    assert alarms <= 2
