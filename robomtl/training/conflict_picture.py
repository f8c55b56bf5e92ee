"""Figure of the conflict between a run's tasks: over training, and for every pair."""

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from robomtl.pages.heat_map import draw_squares
from robomtl.pages.svg import EDGE, INK, SERIES, SOFT, axes_in, document
from robomtl.training.conflicts import conflict

_SQUARE, _LETTER, _TITLE = 22.0, 6.0, 210.0  # Sizes of the matrix.
_WIDE, _HIGH, _LEFT, _TOP = 420.0, 220.0, 44.0, 48.0  # Size and position of the chart.


def picture(tasks: Sequence[str], steps: Sequence[int], cosines: Tensor) -> str:
    """SVG figure: mean cosines over training, and the mean over training of every pair.

    Args:
        tasks: Names of the tasks.
        steps: Steps at which cosines were measured, ascending.
        cosines: Cosines between the tasks' gradients; (step, task, task).
    """
    side, names = _SQUARE * len(tasks), _LETTER * max(map(len, tasks)) + 10
    matrix_left = _LEFT + _WIDE + 30 + names
    width, height = matrix_left + max(side, _TITLE) + 10, _TOP + max(side, _HIGH) + 30
    figure = Figure(figsize=(width / 72, height / 72))
    _draw_means(axes_in(figure, _LEFT, _TOP, _WIDE, _HIGH), steps, cosines)
    matrix = axes_in(figure, matrix_left, _TOP, side, side)
    draw_squares(matrix, tasks, cosines.mean(0).double().numpy())
    _head(matrix, "Every pair, mean over the run", "green: agree; orange: conflict")
    return document(figure, summary="Cosines between the gradients of tasks")


def _draw_means(axes: Axes, steps: Sequence[int], cosines: Tensor) -> None:
    """Draws the mean cosine of each task with the others, and of all, over training."""
    conflicts = [conflict(each) for each in cosines]
    by_task = torch.tensor([each.by_task for each in conflicts])
    axes.plot(steps, by_task, color=EDGE, linewidth=1)
    axes.plot(steps, [each.mean for each in conflicts], color=SERIES[1], linewidth=2.5)
    axes.axhline(0, color=EDGE, linewidth=1)
    _head(
        axes,
        "Mean cosine between the gradients of a task and of the others",
        "grey: each task; green: all",
    )


def _head(axes: Axes, title: str, legend: str) -> None:
    for text, above, colour in ((title, 22, INK), (legend, 8, SOFT)):
        axes.annotate(
            text, (0, 1), (0, above), color=colour, fontsize=10,
            xycoords="axes fraction", textcoords="offset points",
        )  # fmt: skip
