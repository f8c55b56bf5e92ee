"""Number of trials that it takes to tell two agents apart."""

import math
from statistics import NormalDist

import numpy as np
from scipy.stats import binom

from robomtl.experiments.paired import Tally

_MOST = 10_000_000  # Pairs; nobody will play more.


def more_to_settle(
    tally: Tally, *, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Number of further pairs that would settle a difference of the observed size.

    The smallest number, within 1 %, with which the exact McNemar test falls below
    ``alpha`` with probability ``power`` if the observed discordance rates persist, minus
    the pairs played so far. The observed rates are themselves uncertain: use the number to
    plan the next evaluation, not as a test.

    Args:
        tally: Pairs so far, at least 1.
        alpha: Level of the test.
        power: Probability that the test rejects.

    Returns:
        Further pairs; None if no difference was observed, or if more than ten million
        pairs are needed.
    """
    needed = pairs_needed(
        tally.a_alone / tally.pairs, tally.b_alone / tally.pairs, alpha, power
    )
    return None if needed is None else max(0, needed - tally.pairs)


def pairs_needed(a: float, b: float, alpha: float, power: float) -> int | None:
    """Number of pairs at which the exact McNemar test has a power; None beyond ``_MOST``.

    Starts from the formula of R. J. Connor, Biometrics 43 (1987), 207-211, for the
    approximate test, and increases the number until the exact test has the power.

    Args:
        a: Fraction of trials that A alone solves.
        b: Fraction that B alone solves; None is returned if it is the same.
        alpha: Level of the test.
        power: Probability that the test rejects.
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
        pairs: Number of trials that both agents play.
        a: Fraction of trials that A alone solves.
        b: Fraction that B alone solves.
        alpha: Level of the test.
    """
    fraction = a + b
    centre, spread = pairs * fraction, math.sqrt(pairs * fraction * (1 - fraction))
    low, high = math.floor(centre - 6 * spread), math.ceil(centre + 6 * spread)
    discordant = np.arange(max(low, 0), min(high, pairs) + 1)
    # The largest count in the lower tail of the test; the upper tail is symmetric.
    edge = np.asarray(binom.ppf(alpha / 2, discordant, 0.5))
    edge -= binom.cdf(edge, discordant, 0.5) > alpha / 2
    rejected = np.asarray(binom.cdf(edge, discordant, a / fraction))
    rejected += binom.cdf(edge, discordant, b / fraction)
    return float(binom.pmf(discordant, pairs, fraction) @ rejected)
