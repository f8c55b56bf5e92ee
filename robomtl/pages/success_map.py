"""Draws success by stage and task as a matrix of squares labelled with their rates."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from robomtl.pages.svg import BAR, CARD, INK, Named, axes_in, markup

_WIDE, _HIGH, _ROOM = 34.0, 20.0, 30.0  # Size of a square; width of the row names.
_LETTER = (
    6.0  # Length of a letter in the name of a column, which is written vertically.
)
_LIGHT = 0.6  # Rates above it are written in white.


def success_map(
    stages: Sequence[int],
    tasks: Sequence[str],
    rates: Mapping[int, Mapping[str, float]],
    *,
    summary: str,
) -> Markup:
    """The matrix as SVG: a row for each stage, a column for each task.

    Args:
        stages: Numbers of tasks learned, ascending.
        tasks: Names of the tasks.
        rates: Success by stage and task; a missing rate leaves its square empty.
        summary: Text alternative of the picture.
    """
    values = np.array([[rates[s].get(t, np.nan) for t in tasks] for s in stages])
    top = _LETTER * max(map(len, tasks)) + 8
    wide, high = _WIDE * len(tasks), _HIGH * len(stages)
    figure = Figure(figsize=((_ROOM + wide + 4) / 72, (top + high + 4) / 72))
    axes = axes_in(figure, _ROOM, top, wide, high)
    _draw_squares(axes, values)
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(len(tasks)) + 0.5, tasks, color=INK, rotation=90)
    axes.set_yticks(np.arange(len(stages)) + 0.5, list(map(str, stages)), color=INK)
    axes.tick_params(length=0)
    texts = [
        "" if np.isnan(value) else f"{tasks[k]} after {stages[t]}: {100 * value:.1f}%"
        for (t, k), value in np.ndenumerate(values)
    ]
    return markup(figure, summary=summary, named={"squares": Named(texts=texts)})


def _draw_squares(axes: Axes, values: NDArray[np.float64]) -> None:
    """Draws the squares and their rates, with the first row at the top."""
    strength = np.nan_to_num(values, nan=0.0)[..., None]
    colours = np.broadcast_to(to_rgb(BAR), (*values.shape, 3))
    axes.pcolormesh(
        np.concatenate([colours, strength], -1),
        edgecolors=CARD,
        linewidth=1,
        gid="squares",
    )
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{100 * value:.0f}",
                color=CARD if value > _LIGHT else INK,
                size=9,
                ha="center",
                va="center",
            )
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
