"""Which method is best, if so much can be said."""

from collections.abc import Mapping
from dataclasses import dataclass

from robomtl.evaluation.figures import counted
from robomtl.experiments.crossed import Crossed, Drawn, Scores
from robomtl.experiments.curves import area

SEEDS, SUPPORTS = 5, 5
"""Fewest seeds of training, and draws of the support, from which methods are ranked.

In pilots one seed had two methods alike, and the next two had them 50 points apart."""

Curve = Mapping[int, Mapping[str, Scores]]


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The methods in order, or why there is none."""

    order: tuple[str, ...]
    """Labels, the best first; empty where there is no ranking."""
    sentence: str
    """What can be said."""


def ranking(
    curves: Mapping[str, Curve], draws: Crossed, *, seeds: int, supports: int
) -> Ranking:
    """The methods by the mean of success over shots, and which of them are apart.

    Of those with a curve the area under it counts, of the others, such as zero_shot,
    success at any number of shots. Methods are apart where the paired interval of the
    difference holds no 0.

    Args:
        curves: Success by shots and task, of each method; empty where it has errors only.
        draws: Draws all anew.
        seeds: Seeds of training.
        supports: Draws of the support.
    """
    if seeds < SEEDS or supports < SUPPORTS:
        return Ranking(
            order=(),
            sentence=f"No ranking: {counted(seeds, 'seed')} of training and"
            f" {counted(supports, 'draw')} of the support; it takes {SEEDS} and"
            f" {SUPPORTS}, as one of each says little of a method.",
        )
    drawn = {label: _heights(curve, draws) for label, curve in curves.items() if curve}
    order = sorted(drawn, key=lambda label: -float(drawn[label].mean()))
    if len(order) < 2:
        return Ranking(order=tuple(order), sentence="No ranking: fewer than 2 methods.")
    best, *others = order
    tied = [
        label for label in others if draws.interval(drawn[best] - drawn[label]).low <= 0
    ]
    told = "; not told apart from it: " + ", ".join(tied) if tied else ""
    return Ranking(
        order=tuple(order),
        sentence=f"By mean success over shots: {', '.join(order)}. {best} is"
        f" first{told}.",
    )


def _heights(curve: Curve, draws: Crossed) -> Drawn:
    means = [draws.mean(tasks) for tasks in curve.values()]
    return means[0] if len(means) == 1 else area(list(curve), means)
