"""Draws charts of several lines with intervals."""

from typing import Any

from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from matplotlib.transforms import ScaledTranslation

from robomtl.pages.lines import Chart, Line
from robomtl.pages.svg import CARD, SERIES, Named, canvas, markup

_MARKS = ("o", "s", "^", "D", "v", "X", "P")  # Markers by colour, as in the legend.
_SPREAD, _WIDEST = 3.0, 24.0  # Offsets between two lines, and between the outermost.
_CHARACTER = 5.5  # Width of a character at the axis.


def line_chart(chart: Chart, width: float, height: float) -> Markup:
    """The chart as SVG; elements of a line have its name as attribute ``data-line``.

    Args:
        chart: Chart whose rates are drawn, in per cent.
        width: Width in units of the picture; text is 9 units high.
        height: Height in the same units.
    """
    figure, axes = canvas(width, height)
    _number_values(axes, chart)
    axes.set_ylim(0, 100 * chart.top)
    quarters = [25 * chart.top * number for number in range(5)]
    axes.set_yticks(quarters, [f"{quarter:g}" for quarter in quarters])
    named: dict[str, Named] = {}
    gaps = max(len(chart.lines) - 1, 1)
    for number, line in enumerate(chart.lines):
        aside = min(_SPREAD, _WIDEST / gaps) * (number - gaps / 2)
        named |= _draw(figure, axes, line, chart.values[-1], aside)
    return markup(figure, summary=chart.summary, named=named)


def _number_values(axes: Axes, chart: Chart) -> None:
    """Sets up the horizontal axis, which shows 0 even if logarithmic; labels that fit."""
    values = chart.values
    counted = [value for value in values if value]
    if counted and chart.scale == "logarithmic":
        axes.set_xscale("symlog", linthresh=counted[0], linscale=0.5)
    axes.update_datalim([(value, 0.0) for value in values])
    axes.set_xmargin(0.06)
    axes.autoscale_view(scaley=False)
    axes.xaxis.set_minor_locator(NullLocator())
    free, labels = float("-inf"), list[str]()
    for value in values:
        left = float(axes.transData.transform((value, 0.0))[0])
        half = _CHARACTER * len(f"{value:,}") / 2
        labels.append(f"{value:,}" if left - half >= free else "")
        free = left + half + _CHARACTER if labels[-1] else free
    axes.set_xticks(values, labels)


def _draw(
    figure: Figure, axes: Axes, line: Line, last: float, aside: float
) -> dict[str, Named]:
    """Draws stroke, whiskers and marks of a line, shifted slightly from other lines.

    Returns:
        Names and tooltips of what was drawn, by gid.
    """
    shared: dict[str, Any] = {
        "color": SERIES[line.style.colour],
        "transform": axes.transData
        + ScaledTranslation(aside / 72, 0, figure.dpi_scale_trans),
        "clip_on": False,
    }
    drawn = {
        "stroke": _stroke(axes, line, last, shared),
        "whiskers": _whiskers(axes, line, shared),
        "marks": _marks(axes, line, shared),
    }
    for part, artist in drawn.items():
        artist.set_gid(f"{part} of {line.name}")
    texts = {"marks": [point.text for point in line.points]}
    return {
        f"{part} of {line.name}": Named(line.name, texts.get(part, ()))
        for part in drawn
    }


def _stroke(axes: Axes, line: Line, last: float, shared: dict[str, Any]) -> Artist:
    """The line through the rates; for a single rate at 0, a level up to the last value."""
    at = [point.at for point in line.points]
    rates = [100 * point.rate for point in line.points]
    if at == [0]:
        at, rates = [0, last], rates * 2
    (stroke,) = axes.plot(at, rates, linewidth=1.5, **shared)
    dash = [float(length) for length in line.style.dash.split()]
    stroke.set_linestyle((0, dash) if dash else "-")
    return stroke


def _whiskers(axes: Axes, line: Line, shared: dict[str, Any]) -> Artist:
    return axes.vlines(
        [point.at for point in line.points],
        [100 * point.interval.low for point in line.points],
        [100 * point.interval.high for point in line.points],
        linewidth=1,
        alpha=0.6,
        **shared,
    )


def _marks(axes: Axes, line: Line, shared: dict[str, Any]) -> Artist:
    colour = SERIES[line.style.colour]
    (marks,) = axes.plot(
        [point.at for point in line.points],
        [100 * point.rate for point in line.points],
        linestyle="",
        marker=_MARKS[line.style.colour],
        markersize=6,
        markerfacecolor=CARD if line.style.hollow else colour,
        markeredgecolor=colour if line.style.hollow else CARD,
        **shared,
    )
    return marks
