"""The ranking of methods, given enough seeds and draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from robomtl.evaluation.formatting import counted
from robomtl.experiments.analysis import CONFIDENCE, Curve
from robomtl.experiments.crossed import (
    Scores,
    combined,
    compared,
    differences,
    mean_of,
)
from robomtl.experiments.curves import area_weights
from robomtl.experiments.paired import holm

SEEDS, SUPPORTS = 5, 5
"""Fewest seeds of training and draws of the support for a ranking.

In pilots two methods were equal with one seed and 50 points apart with the next two."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The order of methods, or the reason why there is none."""

    order: tuple[str, ...]
    """Labels, best first; empty without a ranking."""
    sentence: str
    """The ranking and its significance, or the reason for having none, as a sentence."""


def ranking(curves: Mapping[str, Curve], *, seeds: int, supports: int) -> Ranking:
    """The methods ordered by mean success over shots, with tests against the best.

    The mean is the normalised area under the curve; for methods without shots, such as
    zero_shot, it is their success. The best method is chosen after the fact, so Holm's
    correction covers all pairs of methods.

    Args:
        curves: Success by shots and task, by label; empty for a method with errors only.
        seeds: Number of seeds of training.
        supports: Number of draws of the support.
    """
    if seeds < SEEDS or supports < SUPPORTS:
        return Ranking(
            order=(),
            sentence=f"No ranking: it needs {SEEDS} seeds of training and {SUPPORTS} draws of"
            f" the support; there are {counted(seeds, 'seed')} and"
            f" {counted(supports, 'draw')}.",
        )
    heights = {
        label: combined(list(curve.values()), area_weights(list(curve)))
        for label, curve in curves.items()
        if curve
    }
    order = sorted(heights, key=lambda label: -mean_of(list(heights[label].values())))
    if len(order) < 2:
        return Ranking(order=tuple(order), sentence="No ranking: fewer than 2 methods.")
    return Ranking(order=tuple(order), sentence=_sentence(order, _corrected(heights)))


def _corrected(
    heights: Mapping[str, Mapping[str, Scores]],
) -> dict[frozenset[str], float]:
    """Holm-corrected p-value of the difference of each pair; 1 without common trials."""
    pairs = {
        frozenset(pair): differences(heights[pair[0]], heights[pair[1]])
        for pair in combinations(heights, 2)
    }
    return holm(
        {pair: compared(both).p_value if both else 1.0 for pair, both in pairs.items()}
    )


def _sentence(order: Sequence[str], corrected: Mapping[frozenset[str], float]) -> str:
    best, *others = order
    tied = [k for k in others if corrected[frozenset((best, k))] >= 1 - CONFIDENCE]
    first = f"By mean success over shots: {', '.join(order)}. {best} is first"
    correction = f"by Holm's correction for {counted(len(corrected), 'pair')}"
    if not tied:
        return f"{first}, significantly better than every other, {correction}."
    return f"{first}; not significantly different, {correction}: {', '.join(tied)}."
