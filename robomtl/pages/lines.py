"""Charts of several lines with intervals, over a logarithmic axis of whole numbers."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from robomtl.evaluation.statistics import Interval
from robomtl.pages.chart import polyline

_SHAPES = (
    "M0-5A5 5 0 1 1 0 5A5 5 0 1 1 0-5Z",  # Disc.
    "M-4.5-4.5H4.5V4.5H-4.5Z",  # Square.
    "M0-5.5L5.5 4.5H-5.5Z",  # Triangle.
    "M0-6L6 0L0 6L-6 0Z",  # Diamond.
    "M0 5.5L5.5-4.5H-5.5Z",  # Triangle on its tip.
    "M-5-5H-2L0-2L2-5H5V-2L2 0L5 2V5H2L0 2L-2 5H-5V2L-2 0L-5-2Z",  # Cross.
    "M-2-5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2Z",  # Plus.
)
_DASHES = ("", "7 4", "2 3", "9 3 2 3")
_TOPS = (0.2, 0.4, 1.0)  # Rates that axes end at: quarters of them are round.
_EDGE = 6.0  # Room left and right of the outermost values [% of the width].
_ZERO = 14.0  # From 0, which has no logarithm, to the least value [% of the width].
_SPREAD = 1.4  # Between lines, so that their whiskers stand apart [% of the width].
_CHARACTER = 3.4  # Of a text at the axis, on a phone [% of the width].


class Style(NamedTuple):
    """What a line looks like: without its colour, too, like no other."""

    colour: int
    """Number of its colour in the style sheet."""
    shape: str
    """Path of its marks."""
    dash: str
    """Lengths of its strokes and gaps; empty for a whole line."""
    hollow: str
    """Class of marks that are not filled; empty for others."""


def style(place: int) -> Style:
    """That of a line, by its place among all lines of a page."""
    again, shape = divmod(place, len(_SHAPES))
    return Style(
        colour=shape,
        shape=_SHAPES[shape],
        dash=_DASHES[(shape + again) % len(_DASHES)],
        hollow="hollow" if again % 2 else "",
    )


class Point(NamedTuple):
    """A rate somewhere on the axis."""

    at: int
    rate: float
    interval: Interval
    text: str
    """What is shown where someone points at it."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """Rates of one group; a single one at 0 is drawn as a level, all along the axis."""

    name: str
    style: Style
    points: Sequence[Point]


class Mark(NamedTuple):
    """A point as it is drawn, in per cent of width and height, from the upper left."""

    left: float
    top: float
    whisker: float
    """Top of its interval."""
    height: float
    """Of its interval."""
    text: str


class Stroke(NamedTuple):
    """A line as it is drawn."""

    name: str
    style: Style
    path: str
    marks: Sequence[Mark]


def top_of(lines: Iterable[Line]) -> float:
    """The rate an axis has to go up to, so that it holds all intervals."""
    highest = max(point.interval.high for line in lines for point in line.points)
    return next(top for top in _TOPS if highest <= top or top == _TOPS[-1])


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over one axis."""

    lines: Sequence[Line]
    summary: str
    """What a reader who does not see the chart is told."""
    title: str = ""
    ticks: Sequence[int] = ()
    """Numbers to have on the axis besides those of the lines."""
    top: float = 1.0
    """Rate the upward axis ends at; see ``top_of``."""

    @property
    def values(self) -> list[int]:
        """All numbers on the axis, rising."""
        return sorted(
            {*self.ticks, *(p.at for line in self.lines for p in line.points)}
        )

    @property
    def labels(self) -> list[tuple[float, int]]:
        """The numbers that are named, and where: as many as have room."""
        found: list[tuple[float, int]] = []
        for value in self.values:
            left = self._left(value)
            room = _CHARACTER * (len(str(value)) + 1)
            if not found or left - found[-1][0] >= room:
                found.append((left, value))
        return found

    @property
    def shares(self) -> list[tuple[float, str]]:
        """What is named on the upward axis, in per cent, and how far up."""
        return [(rise, f"{self.top * rise:g}") for rise in (0, 25, 50, 75, 100)]

    @property
    def strokes(self) -> list[Stroke]:
        """The lines as they are drawn, a little beside each other."""
        middle = (len(self.lines) - 1) / 2
        apart = min(_SPREAD, _EDGE / max(middle, 1))
        return [
            self._stroke(line, apart * (place - middle))
            for place, line in enumerate(self.lines)
        ]

    def _stroke(self, line: Line, aside: float) -> Stroke:
        up = 100 / self.top
        marks = [
            Mark(
                left=self._left(point.at) + aside,
                top=100 - up * point.rate,
                whisker=100 - up * point.interval.high,
                height=up * (point.interval.high - point.interval.low),
                text=point.text,
            )
            for point in line.points
        ]
        corners = [(mark.left, mark.top) for mark in marks]
        if [point.at for point in line.points] == [0]:
            corners.append((100.0, corners[0][1]))
        return Stroke(line.name, line.style, polyline(corners), marks)

    def _left(self, value: int) -> float:
        """Where a number is on the axis."""
        counted = [each for each in self.values if each]
        begin = _EDGE + (_ZERO if 0 in self.values and counted else 0)
        if value == 0:
            return _EDGE
        low, high = math.log(counted[0]), math.log(counted[-1])
        if low == high:
            return (begin + 100 - _EDGE) / 2
        return begin + (100 - _EDGE - begin) * (math.log(value) - low) / (high - low)
