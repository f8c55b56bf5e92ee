"""Data of charts with several lines and intervals over one axis."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from robomtl.evaluation.statistics import Interval

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
_TOPS = (0.2, 0.4, 1.0)  # Upper ends of axes, whose quarters are round numbers.


class Style(NamedTuple):
    """Look of a line, which is distinct from others even without its colour."""

    colour: int
    """Index of the colour in the style sheet, and of the shape of the marks."""
    shape: str
    """SVG path of the marks."""
    dash: str
    """Lengths of strokes and gaps; empty for a solid line."""
    hollow: str
    """Class of marks that are not filled; empty for filled ones."""


def style(place: int) -> Style:
    """The style of a line, by its index among all lines of a page."""
    rounds, shape = divmod(place, len(_SHAPES))
    return Style(
        colour=shape,
        shape=_SHAPES[shape],
        dash=_DASHES[(shape + rounds) % len(_DASHES)],
        hollow="hollow" if rounds % 2 else "",
    )


class Point(NamedTuple):
    """A rate with its interval at a position on the axis."""

    at: float
    rate: float
    interval: Interval
    text: str
    """Tooltip of the point."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """Rates of one group; a single rate at 0 is drawn as a level along the whole axis."""

    name: str
    style: Style
    points: Sequence[Point]


def top_of(lines: Iterable[Line]) -> float:
    """Upper end of an axis of rates that contains all intervals."""
    highest = max(point.interval.high for line in lines for point in line.points)
    return next(top for top in _TOPS if highest <= top or top == _TOPS[-1])


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over one axis."""

    lines: Sequence[Line]
    summary: str
    """Text alternative of the chart."""
    title: str = ""
    ticks: Sequence[float] = ()
    """Values to mark on the horizontal axis besides those of the points."""
    scale: Literal["logarithmic", "linear"] = "logarithmic"
    """Scale of the horizontal axis."""
    top: float = 1.0
    """Rate at the upper end of the vertical axis; see ``top_of``."""

    @property
    def values(self) -> list[float]:
        """All values on the horizontal axis, ascending."""
        return sorted(
            {*self.ticks, *(p.at for line in self.lines for p in line.points)}
        )
