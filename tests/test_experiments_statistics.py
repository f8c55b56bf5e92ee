import math

import numpy as np
import pytest

from robomtl.adaptation.ranking import ranking
from robomtl.evaluation.statistics import Count, mean_interval
from robomtl.experiments.crossed import Crossed, differences
from robomtl.experiments.curves import area, shots_for


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


def test_trials_alone_give_the_interval_where_seeds_and_draws_agree():
    solved = np.ones((3, 3, 1, 20))
    found = Crossed().success({"a": solved})
    alone = mean_interval([Count(180, 180)], [1.0])
    assert found == pytest.approx(alone)
    assert found.low < 1.0


def test_seeds_that_differ_widen_the_interval_beyond_that_of_trials():
    seeds = np.stack([scores(p, (3, 1, 50), seed=i) for i, p in enumerate((0, 0.5, 1))])
    found = Crossed().success({"a": seeds})
    alone = mean_interval([Count(int(seeds.sum()), seeds.size)], [1.0])
    assert found.low < alone.low - 0.2
    assert found.high > alone.high + 0.2


def test_a_seed_is_drawn_for_all_tasks_at_once():
    # The same seed is lucky in all tasks, so more tasks do not help.
    lucky = np.stack([np.zeros((1, 1, 40)), np.ones((1, 1, 40)), np.ones((1, 1, 40))])
    one = Crossed().success({"a": lucky})
    four = Crossed().success(dict.fromkeys("abcd", lucky))
    assert four.low == pytest.approx(one.low)


@pytest.mark.slow
def test_the_spread_of_resampled_means_is_the_crossed_variance():
    # Success is the sum of two independent effects, of the seed and of the draw.
    generator = np.random.default_rng(1)
    seeds, draws = generator.normal(size=40), generator.normal(size=40)
    values = (seeds[:, None] + draws[None, :])[:, :, None, None]
    drawn = Crossed(resamples=20_000).rates("a", values)
    expected = seeds.var(ddof=1) / 40 + draws.var(ddof=1) / 40
    assert drawn.var() == pytest.approx(expected, rel=0.05)


def test_errors_are_in_no_rate():
    some = np.array([1.0, 0.0, np.nan, np.nan]).reshape(1, 1, 1, 4)
    drawn = Crossed().rates("a", some)
    assert not np.isnan(drawn).any()
    assert drawn.mean() == pytest.approx(0.5, abs=0.03)


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
    narrow, wide = Crossed().difference(same), Crossed().difference(apart)
    assert narrow.high - narrow.low < (wide.high - wide.low) / 3
    assert narrow.low < 0 < narrow.high


def test_intervals_hold_the_true_success_about_as_often_as_they_say():
    generator, held, repeats = np.random.default_rng(0), 0, 60
    for _ in range(repeats):
        rates = np.clip(
            0.6
            + 0.1 * generator.normal(size=(5, 1, 1, 1))
            + 0.1 * generator.normal(size=(1, 5, 1, 1)),
            0,
            1,
        )
        trials = (generator.random((5, 5, 1, 30)) < rates).astype(float)
        low, high = Crossed(resamples=400).success({"a": trials})
        held += low <= 0.6 <= high
    assert held / repeats > 0.85


def test_too_few_seeds_or_supports_give_no_ranking():
    found = ranking({}, Crossed(), seeds=3, supports=5)
    assert found.order == ()
    assert found.sentence.startswith("No ranking: 3 seeds of training and 5 draws")


def test_enough_seeds_and_supports_rank_methods_and_say_which_are_not_apart():
    shape = (5, 5, 1, 20)
    curves = {
        "poor": {1: {"x": scores(0.1, shape)}, 4: {"x": scores(0.2, shape, 1)}},
        "good": {1: {"x": scores(0.8, shape)}, 4: {"x": scores(0.9, shape, 1)}},
        "alike": {1: {"x": scores(0.8, shape)}, 4: {"x": scores(0.89, shape, 1)}},
    }
    found = ranking(curves, Crossed(), seeds=5, supports=5)
    assert found.order == ("good", "alike", "poor")
    assert found.sentence.endswith("good is first; not told apart from it: alike.")
