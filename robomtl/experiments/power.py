"""How many trials it takes to tell two agents apart."""

import math
from statistics import NormalDist

import numpy as np
from scipy.stats import binom

from robomtl.experiments.paired import Tally

_MOST = 10_000_000  # Pairs; where it takes more, nobody will play them.


def more_to_settle(
    tally: Tally, *, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """How many more pairs would settle a difference of the size seen.

    The rule: the least number, within 1 %, with which the exact McNemar test falls below
    ``alpha`` with probability ``power``, if A and B alone solve as large a fraction of the
    trials as they did so far; minus the pairs there are. What was seen is itself
    uncertain, so this plans the next evaluation and tests nothing.

    Args:
        tally: The pairs so far, at least 1.
        alpha: Level of the test.
        power: Probability with which it is to succeed.

    Returns:
        None if no difference was seen, or it takes more than ten million.
    """
    needed = pairs_needed(
        tally.a_alone / tally.pairs, tally.b_alone / tally.pairs, alpha, power
    )
    return None if needed is None else max(0, needed - tally.pairs)


def pairs_needed(a: float, b: float, alpha: float, power: float) -> int | None:
    """How many pairs tell apart agents that alone solve these fractions of the trials.

    Starts from the formula of R. J. Connor, Biometrics 43 (1987), 207-211, which is of
    the approximate test, and goes up until the exact one has the power.
    """
    if a == b:
        return None
    z = NormalDist().inv_cdf
    spread = math.sqrt(a + b - (a - b) ** 2)
    root = (z(1 - alpha / 2) * math.sqrt(a + b) + z(power) * spread) / (a - b)
    pairs = math.ceil(root**2)
    while pairs <= _MOST:
        if mcnemar_power(pairs, a, b, alpha) >= power:
            return pairs
        pairs += max(1, pairs // 100)
    return None


def mcnemar_power(pairs: int, a: float, b: float, alpha: float) -> float:
    """The probability that the exact McNemar test falls below ``alpha``.

    Args:
        pairs: How many trials both agents play.
        a: Fraction of trials that A alone solves.
        b: Fraction that B alone solves.
        alpha: Level of the test.
    """
    fraction = a + b
    centre, spread = pairs * fraction, math.sqrt(pairs * fraction * (1 - fraction))
    low, high = math.floor(centre - 6 * spread), math.ceil(centre + 6 * spread)
    discordant = np.arange(max(low, 0), min(high, pairs) + 1)
    # The largest count in the lower tail, by symmetry as far from the end of the upper.
    edge = np.asarray(binom.ppf(alpha / 2, discordant, 0.5))
    edge -= binom.cdf(edge, discordant, 0.5) > alpha / 2
    rejected = np.asarray(binom.cdf(edge, discordant, a / fraction))
    rejected += binom.cdf(edge, discordant, b / fraction)
    return float(binom.pmf(discordant, pairs, fraction) @ rejected)
