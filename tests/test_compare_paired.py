import numpy as np
import pytest
from scipy.stats import binom

from robomtl.experiments.paired import (
    Tally,
    difference_interval,
    holm,
    mcnemar,
    mean_difference_interval,
    total,
)
from robomtl.experiments.power import mcnemar_power, more_to_settle, pairs_needed


def test_shares_and_difference_follow_from_the_tally():
    tally = Tally(both=5, a_alone=3, b_alone=1, neither=1)

    assert tally.pairs == 10
    assert (tally.success_a, tally.success_b) == (0.8, 0.6)
    assert tally.difference == pytest.approx(0.2)
    assert total([tally, tally]) == Tally(10, 6, 2, 2)


def test_mcnemar_is_the_binomial_test_of_the_discordant_pairs():
    assert mcnemar(Tally(40, 5, 0, 5)) == 2 * 0.5**5
    assert mcnemar(Tally(40, 0, 5, 5)) == 2 * 0.5**5
    assert mcnemar(Tally(0, 8, 2, 0)) == pytest.approx(2 * binom.cdf(2, 10, 0.5))


def test_mcnemar_finds_nothing_where_no_pair_is_discordant():
    assert mcnemar(Tally(20, 0, 0, 30)) == 1.0


def test_the_interval_of_a_task_has_its_published_value():
    # Agresti and Min (2005), by hand: half a pair more of each kind, 52 in all.
    a, b = 8.5 / 52, 2.5 / 52
    half = 1.959964 * np.sqrt((a + b - (a - b) ** 2) / 52)
    found = difference_interval(Tally(20, 8, 2, 20))
    assert found == pytest.approx((a - b - half, a - b + half), abs=1e-6)


def test_the_interval_of_a_task_is_never_empty_and_within_bounds():
    low, high = difference_interval(Tally(10, 0, 0, 0))
    assert low < 0 < high
    assert difference_interval(Tally(0, 3, 0, 0)).high == 1.0


def test_the_interval_of_the_mean_is_the_normal_one_where_pairs_are_many():
    tallies = [Tally(700, 100, 100, 100), Tally(200, 300, 100, 400)]
    variance = sum(
        ((t.a_alone + t.b_alone) / 1000 - t.difference**2) / 1000 / 4 for t in tallies
    )
    low, high = mean_difference_interval(tallies)

    assert (low + high) / 2 == pytest.approx(0.1, abs=0.002)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.03)


def test_the_interval_of_the_mean_weighs_tasks_alike_however_many_pairs_they_have():
    low, high = mean_difference_interval([Tally(0, 1000, 0, 0), Tally(10_000, 0, 0, 0)])
    assert low < 0.5 < high
    assert high - low < 0.01


def test_the_interval_of_the_mean_is_uncertain_where_no_pair_is_discordant():
    low, high = mean_difference_interval([Tally(10, 0, 0, 0)] * 4)
    assert low < 0 < high


@pytest.mark.parametrize("pairs", [20, 50])
def test_the_interval_of_the_mean_holds_the_true_mean_about_as_often_as_it_says(pairs):
    generator = np.random.default_rng(0)
    alone = generator.uniform(0, 0.3, (10, 2))
    truth = (alone[:, 0] - alone[:, 1]).mean()
    held = 0
    for _ in range(150):
        drawn = [generator.multinomial(pairs, [a, b, 1 - a - b]) for a, b in alone]
        tallies = [Tally(int(n), int(a), int(b)) for a, b, n in drawn]
        low, high = mean_difference_interval(tallies)
        held += low <= truth <= high
    assert 0.9 <= held / 150 <= 0.99


def test_holm_s_correction_has_its_textbook_values():
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert corrected == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(corrected) == ["a", "b", "c", "d"]
    assert holm({"a": 0.8, "b": 0.9}) == {"a": 1.0, "b": 1.0}


def test_the_power_is_that_of_the_exact_test_over_all_outcomes():
    pairs, a, b = 30, 0.3, 0.1
    exact = sum(
        binom.pmf(n, pairs, a + b) * binom.pmf(k, n, a / (a + b))
        for n in range(pairs + 1)
        for k in range(n + 1)
        if mcnemar(Tally(0, k, n - k, 0)) < 0.05
    )
    assert mcnemar_power(pairs, a, b, 0.05) == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize(("a", "b"), [(0.15, 0.05), (0.4, 0.2), (0.1, 0.0)])
def test_the_pairs_needed_have_the_power_and_few_less_have_not(a, b):
    needed = pairs_needed(a, b, alpha=0.05, power=0.8)
    assert mcnemar_power(needed, a, b, 0.05) >= 0.8
    assert mcnemar_power(int(needed * 0.9), a, b, 0.05) < 0.8


def test_connor_s_formula_is_where_the_search_for_pairs_begins():
    # 155 pairs by the approximate formula; the exact test takes some more.
    assert 155 <= pairs_needed(0.15, 0.05, alpha=0.05, power=0.8) <= 175


def test_what_is_there_already_is_taken_off():
    tally = Tally(60, 15, 5, 20)
    needed = pairs_needed(0.15, 0.05, alpha=0.05, power=0.8)
    assert more_to_settle(tally) == max(0, needed - 100)


def test_no_number_of_trials_settles_a_difference_not_seen():
    assert more_to_settle(Tally(10, 4, 4, 10)) is None
    assert more_to_settle(Tally(10, 0, 0, 10)) is None


def test_a_difference_too_small_to_settle_is_given_up():
    assert pairs_needed(0.2, 0.2001, alpha=0.05, power=0.8) is None
