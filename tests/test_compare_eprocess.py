import math

import numpy as np
import pytest

from robomtl.experiments.eprocess import log_e_of_pairs, log_e_of_streams

THRESHOLD = math.log(20)  # For alpha = 0.05.
STREAMS, PAIRS = log_e_of_streams, log_e_of_pairs


def played(rate_a, rate_b, *, runs=1000, pairs=500, seed=0):
    """Outcomes of A and B that have nothing to do with each other; (run, pair) each."""
    generator = np.random.default_rng(seed)
    return (generator.random((2, runs, pairs)).T < (rate_a, rate_b)).T


def decided(log_e):
    """Fraction of runs that are decided at any time, and the mean number of pairs."""
    over = log_e >= THRESHOLD
    first = np.where(over.any(axis=-1), over.argmax(axis=-1) + 1, log_e.shape[-1])
    return over.any(axis=-1).mean(), first.mean()


def test_the_evidence_of_streams_is_that_of_the_formula():
    a, b = [True, False, True, True], [False, False, True, False]
    product, sums = 1.0, []
    for n, (y_a, y_b) in enumerate(zip(a, b, strict=True)):
        rate_a = (sum(a[:n]) + 0.18) / (n + 0.36)
        rate_b = (sum(b[:n]) + 0.18) / (n + 0.36)
        rate_0 = (rate_a + rate_b) / 2
        for solved, rate in ((y_a, rate_a), (y_b, rate_b)):
            product *= rate if solved else 1 - rate
            product /= rate_0 if solved else 1 - rate_0
        sums.append(math.log(product))
    np.testing.assert_allclose(STREAMS(np.array(a), np.array(b)), sums)


def test_the_evidence_of_pairs_is_that_of_the_formula():
    a, b = np.array([1, 1, 0, 1, 0], bool), np.array([0, 1, 1, 0, 0], bool)
    bets = [0.5 / 1, 1, 0.5 / 2, 1.5 / 3, 1]  # On who solves a discordant pair.
    doubled = [2 * 0.5, 1, 2 * bets[2], 2 * bets[3], 1]
    np.testing.assert_allclose(PAIRS(a, b), np.cumsum(np.log(doubled)))


@pytest.mark.parametrize("log_e", [STREAMS, PAIRS])
def test_the_evidence_is_the_same_whoever_is_called_a(log_e):
    a, b = played(0.3, 0.6, runs=5)
    np.testing.assert_allclose(log_e(a, b), log_e(b, a))


@pytest.mark.parametrize("log_e", [STREAMS, PAIRS])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_equal_agents_are_called_different_less_often_than_alpha(log_e, rate):
    errors, _ = decided(log_e(*played(rate, rate)))
    assert errors <= 0.05


@pytest.mark.parametrize("log_e", [STREAMS, PAIRS])
def test_equal_agents_are_safe_where_tasks_are_hard_and_easy(log_e):
    generator = np.random.default_rng(1)
    rates = generator.permuted(np.tile(np.linspace(0.05, 0.95, 10), (1000, 50)), axis=1)
    a, b = generator.random((2, *rates.shape)) < rates
    assert decided(log_e(a, b))[0] <= 0.05


@pytest.mark.parametrize("log_e", [STREAMS, PAIRS])
def test_equal_agents_are_safe_where_they_solve_the_same_trials(log_e):
    generator = np.random.default_rng(2)
    luck, other = generator.random((2, 1000, 500))
    shared = np.where(generator.random(luck.shape) < 0.7, luck, other)
    assert decided(log_e(luck < 0.5, shared < 0.5))[0] <= 0.05


def test_only_pairs_are_safe_where_equal_agents_solve_each_what_the_other_cannot():
    generator = np.random.default_rng(3)
    luck, other = generator.random((2, 1000, 500))
    opposed = np.where(generator.random(luck.shape) < 0.7, 1 - luck, other)
    assert decided(PAIRS(luck < 0.5, opposed < 0.5))[0] <= 0.05
    assert decided(STREAMS(luck < 0.5, opposed < 0.5))[0] > 0.07


@pytest.mark.parametrize(
    ("log_e", "rates", "power", "pairs"),
    [
        (STREAMS, (0.5, 0.7), 0.997, 144),
        (STREAMS, (0.5, 0.8), 1.0, 57),
        (STREAMS, (0.3, 0.9), 1.0, 12),
        (STREAMS, (0.5, 0.6), 0.39, 413),
        (PAIRS, (0.5, 0.7), 1.0, 115),
        (PAIRS, (0.5, 0.6), 0.54, 367),
    ],
)
def test_differences_are_told_as_often_and_as_soon_as_documented(
    log_e, rates, power, pairs
):
    found, after = decided(log_e(*played(*rates)))
    assert found == pytest.approx(power, abs=0.05)
    assert after == pytest.approx(pairs, rel=0.1, abs=2)
