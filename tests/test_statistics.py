import math

import numpy as np
import pytest
from scipy.stats import binomtest

from robomtl.evaluation.statistics import Count, mean_interval, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (25, 50, 0.366, 0.634),
        (45, 50, 0.786, 0.957),
        (50, 50, 0.929, 1.0),
        (0, 50, 0.0, 0.071),
        (10, 20, 0.299, 0.701),
        (81, 263, 0.255, 0.366),  # Newcombe 1998, table I.
    ],
)
def test_wilson_gives_published_intervals(successes, trials, low, high):
    interval = wilson(successes, trials)
    assert interval == pytest.approx((low, high), abs=5e-4)


def test_more_confidence_takes_a_wider_interval():
    assert wilson(7, 10, 0.99).low < wilson(7, 10).low
    assert wilson(7, 10, 0.99).high > wilson(7, 10).high


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="3 successes in 2 trials are impossible"):
        wilson(3, 2)


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (3, 7), (50, 50)])
def test_the_formula_agrees_with_scipy(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high))


def test_the_interval_of_tasks_all_solved_keeps_a_width():
    low, high = mean_interval([Count(50, 50)] * 10, [0.1] * 10)
    assert (low, high) == pytest.approx(wilson(500, 500))


def test_the_interval_of_tasks_of_one_rate_is_close_to_that_of_all_their_trials():
    found = mean_interval([Count(45, 50)] * 10, [0.1] * 10)
    assert found == pytest.approx(wilson(450, 500), abs=2e-3)


def test_tasks_that_differ_leave_less_uncertain_than_trials_pooled():
    split = mean_interval([Count(49, 50), Count(1, 50)], [0.5, 0.5])
    pooled = wilson(50, 100)
    assert split.high - split.low < 0.5 * (pooled.high - pooled.low)


def test_single_trials_of_each_task_count_as_one_sample():
    found = mean_interval([Count(1, 1), Count(0, 1)] * 5, [0.1] * 10)
    assert found == pytest.approx(wilson(5, 10))


def test_a_task_always_solved_is_uncertain_when_most_weight_is_its_own():
    found = mean_interval([Count(10, 10), Count(500, 1000)], [0.9, 0.1])
    assert 0.9 * wilson(10, 10).low + 0.05 < found.low < 0.9


def test_weights_decide_whose_uncertainty_counts():
    counts = [Count(9, 10), Count(900, 1000)]
    small = mean_interval(counts, [0.9, 0.1])
    large = mean_interval(counts, [0.1, 0.9])
    assert large.high - large.low < small.high - small.low


@pytest.mark.parametrize("trials", [10, 50])
@pytest.mark.parametrize(
    "rates",
    [
        np.full(50, 0.98),
        np.concatenate([np.ones(40), np.full(5, 0.9), np.full(5, 0.7)]),
        np.linspace(0.02, 0.98, 50),
        np.array([1, 1, 1, 0.8, 0.7, 0.6, 0.5, 0.3, 0.1, 0]),
    ],
    ids=["near one", "mixed", "spread", "ten tasks"],
)
def test_intervals_of_the_mean_hold_the_truth_as_often_as_they_say(rates, trials):
    drawn = np.random.default_rng(0).binomial(trials, rates, (1000, len(rates)))
    weights = [1 / len(rates)] * len(rates)
    truth = math.fsum(rates) / len(rates)

    held = 0
    for row in drawn.tolist():
        low, high = mean_interval([Count(k, trials) for k in row], weights)
        held += low <= truth <= high

    assert 0.93 <= held / 1000 <= 0.99
