"""The ranking of methods, where the differences are clear enough for one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from robomtl.evaluation.figures import counted
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
"""Fewest seeds of training, and draws of the support, from which methods are ranked.

In pilots two methods were equal with one seed and 50 points apart with the next two."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The methods in order, or why there is none."""

    order: tuple[str, ...]
    """Labels, the best first; empty where there is no ranking."""
    sentence: str
    """What can be said."""


def ranking(curves: Mapping[str, Curve], *, seeds: int, supports: int) -> Ranking:
    """The methods by the mean of success over shots, and which of them are apart.

    Of those with a curve the area under it counts, of the others, such as zero_shot,
    success at any number of shots. The best is known only afterwards, so that every pair
    of methods is tested, and Holm's correction is for all pairs.

    Args:
        curves: Success by shots and task, of each method; empty where it has errors only.
        seeds: Seeds of training.
        supports: Draws of the support.
    """
    if seeds < SEEDS or supports < SUPPORTS:
        return Ranking(
            order=(),
            sentence=f"No ranking: it needs {SEEDS} seeds of training and {SUPPORTS} draws of"
            f" the support; here are {counted(seeds, 'seed')} and"
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
    """By pair of methods, the corrected p-value of no difference; 1 without trials."""
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
        return f"{first} and apart from every other, {correction}."
    return f"{first}; not distinguished from it, {correction}: {', '.join(tied)}."
