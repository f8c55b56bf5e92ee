"""Draws step charts: the fraction of trials solved by each step, and evidence."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from robomtl.pages.svg import BAR, EDGE, WARN, canvas, markup

_LEAST = -3.0  # Evidence below a thousandth is drawn as a thousandth.

Points = Sequence[tuple[float, float]]
"""Positions at which a line changes its height, ascending, each with the new height."""


def share_chart(
    points: Points, *, end: int, summary: str, beside: Points = ()
) -> Markup:
    """The fraction of trials solved by each step, in per cent, as SVG.

    Args:
        points: Steps, each with the fraction from that step on.
        end: Last step of the axis.
        summary: Text alternative of the chart.
        beside: Points of a second, paler line; empty for none.
    """
    figure, axes = canvas(240, 140)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 50, 100])
    _count(axes, end)
    if beside:
        _stairs(axes, beside, end, color=EDGE, linestyle="--", linewidth=1)
    at, heights = _stairs(axes, points, end, color=BAR)
    axes.fill_between(at, heights, step="post", color=BAR, alpha=0.14, linewidth=0)
    return markup(figure, summary=summary)


def evidence_chart(
    evidence: Sequence[float], *, threshold: float, settled: int | None, summary: str
) -> Markup:
    """E after each pair of trials, on a logarithmic axis, as SVG.

    Args:
        evidence: Decimal logarithm of E after each pair.
        threshold: Decimal logarithm of the E that settles the comparison.
        settled: Number of pairs after which it was settled; None if it was not.
        summary: Text alternative of the chart.
    """
    figure, axes = canvas(400, 240, left=44)
    heights = [max(each, _LEAST) for each in evidence]
    at = range(len(heights) + 1)
    axes.step(at, [0.0, *heights], where="post", color=BAR, clip_on=False)
    axes.axhline(threshold, color=WARN, linestyle="--", linewidth=1)
    axes.text(
        0, threshold, f" settled from {10**threshold:.3g}", color=WARN, ha="left",
        va="bottom", transform=axes.get_yaxis_transform(),
    )  # fmt: skip
    if settled is not None:
        axes.axvline(settled, color=WARN, linestyle="--", linewidth=1)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_formatter(lambda power, _: f"{10.0**power:.5g}")
    _count(axes, max(1, len(evidence)))
    return markup(figure, summary=summary)


def _stairs(
    axes: Axes, points: Points, end: int, **look: Any
) -> tuple[list[float], list[float]]:
    """Draws stairs from 0 to the end, and returns the coordinates of their corners."""
    corners = [(0.0, 0.0), *points]
    at = [*(x for x, _ in corners), float(end)]
    heights = [*(100 * y for _, y in corners), 100 * corners[-1][1]]
    axes.step(at, heights, where="post", clip_on=False, **look)
    return at, heights


def _count(axes: Axes, end: int) -> None:
    axes.set_xlim(0, end)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 2.5, 5, 10]))
