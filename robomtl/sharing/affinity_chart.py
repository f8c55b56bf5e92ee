"""Affinities as a matrix of squares, with the tree by which tasks were clustered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import dendrogram

from robomtl.pages.chart import polyline
from robomtl.sharing.affinity import Affinity

SIDE = 20.0
"""Of a square, in the units of the picture."""
_LABELS, _TREE, _LETTER = 40.0, 70.0, 6.6  # Least room of names; of the tree; a letter.


class Square(NamedTuple):
    """The effect of a step on one task on the loss of another."""

    left: float
    top: float
    colour: int
    """Number of its colour in the style sheet."""
    strength: float
    """From 0 to 1."""
    text: str
    """What is shown where someone points at it."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Everything the template draws."""

    names: Sequence[tuple[float, str]]
    """Of the rows, and where."""
    squares: Sequence[Square]
    tree: Sequence[str]
    """Paths."""
    room: float
    """For the names, left of the squares."""
    width: float
    height: float
    most: float
    """The effect that is drawn strongest, as a part of the loss."""
    summary: str
    """What a reader who does not see the picture is told."""


def affinity_picture(found: Affinity) -> Picture:
    """The picture; own effects, which are much the largest, are drawn no stronger."""
    matrix, number = np.array(found.matrix), len(found.tasks)
    others = np.abs(matrix[~np.eye(number, dtype=bool)])
    most = float(others.max()) or 1.0
    room = max(_LABELS, _LETTER * max(map(len, found.tasks)))
    squares = [
        Square(
            left=room + SIDE * column,
            top=SIDE * row,
            colour=1 if value >= 0 else 3,
            strength=round(min(1.0, abs(value) / most), 3),
            text=_text(one, other, value),
        )
        for row, (one, values) in enumerate(zip(found.tasks, matrix, strict=True))
        for column, (other, value) in enumerate(
            zip(found.tasks, values.tolist(), strict=True)
        )
    ]
    side = SIDE * number
    return Picture(
        names=[(SIDE * (k + 0.5), name) for k, name in enumerate(found.tasks)],
        squares=squares,
        tree=_tree(found, room + side + 6),
        room=room,
        width=room + side + 6 + _TREE,
        height=side,
        most=most,
        summary="; ".join(square.text for square in squares),
    )


def _text(one: str, other: str, value: float) -> str:
    does = "takes away" if value >= 0 else "adds"
    return f"A step on {one} {does} {100 * abs(value):.2f}% of the loss of {other}"


def _tree(found: Affinity, left: float) -> list[str]:
    """Where tasks are joined: the further right, the less they help each other."""
    drawn = dendrogram(np.array(found.links), no_plot=True)
    if drawn["leaves"] != [*range(len(found.tasks))]:  # Ties: no tree fits the order.
        return []
    deepest = max(max(each) for each in drawn["dcoord"]) or 1.0
    return [
        polyline(
            (left + (_TREE - 2) * depth / deepest, SIDE * place / 10)
            for depth, place in zip(depths, places, strict=True)
        )
        for depths, places in zip(drawn["dcoord"], drawn["icoord"], strict=True)
    ]
