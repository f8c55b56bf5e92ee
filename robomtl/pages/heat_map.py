"""Draws a matrix of signed numbers as a heat map, with the dendrogram of its rows."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram

from robomtl.pages.svg import CARD, EDGE, INK, SERIES, Named, axes_in, markup

_SIDE, _TREE, _LETTER = 20.0, 70.0, 6.0  # Widths of a square, the tree and a letter.


def heat_map(
    names: Sequence[str],
    values: NDArray[np.float64],
    texts: Sequence[str],
    *,
    links: NDArray[np.float64],
    summary: str,
) -> Markup:
    """The heat map as SVG, with the dendrogram on its right.

    Args:
        names: Names of the rows, which are those of the columns.
        values: Square matrix of values from -1 (orange) to 1 (green).
        texts: Tooltips of the squares, row by row.
        links: Linkage of the rows from ``scipy.cluster.hierarchy.linkage``; the dendrogram
            is left out if it needs another order of the rows, or has no height.
        summary: Text alternative of the picture.
    """
    number, room = len(names), _LETTER * max(map(len, names)) + 8
    side = _SIDE * number
    figure = Figure(figsize=((room + side + _TREE + 10) / 72, (side + 4) / 72))
    draw_squares(axes_in(figure, room, 2, side, side), names, values)
    tree = axes_in(figure, room + side + 6, 2, _TREE, side)
    tree.axis("off")
    fits = dendrogram(links, no_plot=True)["leaves"] == [*range(number)]
    if fits and links[:, 2].any():
        dendrogram(
            links, ax=tree, orientation="right", color_threshold=0.0,
            above_threshold_color=EDGE, no_labels=True,
        )  # fmt: skip
        tree.invert_yaxis()
    return markup(figure, summary=summary, named={"squares": Named(texts=texts)})


def draw_squares(axes: Axes, names: Sequence[str], values: NDArray[np.float64]) -> None:
    """Draws the squares and row names of a heat map, with the first row at the top."""
    colours = np.array([to_rgb(SERIES[1]), to_rgb(SERIES[3])])[(values < 0).astype(int)]
    strength = np.clip(np.abs(values), 0, 1)[..., None]
    axes.pcolormesh(
        np.concatenate([colours, strength], -1),
        edgecolors=CARD,
        linewidth=1,
        gid="squares",
    )
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([row + 0.5 for row in range(len(names))], names, color=INK)
    axes.tick_params(length=0)
