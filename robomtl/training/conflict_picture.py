"""A picture of how a run's tasks conflict: over training, and task by task."""

from collections.abc import Sequence
from html import escape

import torch
from torch import Tensor

from robomtl.pages.chart import polyline, ticks
from robomtl.training.conflicts import conflict

_LABEL, _CELL, _TOP = 170, 22, 48  # Sizes of the matrix [px].
_WIDE, _HIGH, _LEFT = 420, 220, 52  # Of the chart.
_POSITIVE, _NEGATIVE = (31, 131, 119), (179, 84, 30)
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1d2024}.soft{fill:#676d75}"
    ".task{fill:none;stroke:#b9bfbd}.mean{fill:none;stroke:#1f8377;stroke-width:2.5}"
    ".axis{stroke:#a3a8a9}.end{text-anchor:end}.middle{text-anchor:middle}"
)


def picture(tasks: Sequence[str], steps: Sequence[int], cosines: Tensor) -> str:
    """An SVG picture: mean cosines over training, and all of them in the mean of it.

    Args:
        tasks: Names of the tasks.
        steps: When cosines were measured, rising.
        cosines: (step, task, task).
    """
    side = _CELL * len(tasks)
    start = _LEFT + _WIDE + 30
    width, height = start + _LABEL + side + 10, max(_TOP + side, _TOP + _HIGH) + 40
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f' width="{width}" height="{height}">',
            f"<style>{_STYLE}</style>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *_chart(tasks, steps, cosines),
            *_matrix(tasks, cosines.mean(0), start),
            "</svg>\n",
        ]
    )


def _chart(tasks: Sequence[str], steps: Sequence[int], cosines: Tensor) -> list[str]:
    """Mean cosine of each task with the others, and of all, over training."""
    found = [conflict(each) for each in cosines]
    lines = torch.tensor([each.by_task for each in found])
    low, high = min(0.0, float(lines.min())), max(0.1, float(lines.max()))

    def x(step: float) -> float:
        return _LEFT + _WIDE * step / steps[-1]

    def y(value: float) -> float:
        return _TOP + _HIGH * (high - value) / (high - low)

    def path(values: Sequence[float], kind: str, name: str) -> str:
        points = [(x(s), y(value)) for s, value in zip(steps, values, strict=True)]
        title = f"<title>{escape(name)}</title>"
        return f'<path class="{kind}" d="{polyline(points)}">{title}</path>'

    return [
        f'<text x="{_LEFT}" y="20">Mean cosine between the gradients of a task and of'
        " the others</text>",
        f'<text class="soft" x="{_LEFT}" y="37">grey: each task; green: all</text>',
        f'<line class="axis" x1="{_LEFT}" x2="{_LEFT + _WIDE}" y1="{y(0)}" y2="{y(0)}"/>',
        *(
            f'<text class="soft end" x="{_LEFT - 6}" y="{y(value) + 4}">{value:.2f}</text>'
            for value in sorted({low, 0.0, high})
        ),
        *(
            f'<text class="soft middle" x="{x(tick)}" y="{_TOP + _HIGH + 20}">{tick}'
            "</text>"
            for tick in ticks(steps[-1])
        ),
        *(
            path(column, "task", name)
            for name, column in zip(tasks, lines.T.tolist(), strict=True)
        ),
        path([each.mean for each in found], "mean", "all tasks"),
    ]


def _matrix(tasks: Sequence[str], cosine: Tensor, start: float) -> list[str]:
    """The mean cosine of every pair."""
    left = start + _LABEL
    cells = [
        _cell(left + _CELL * column, _TOP + _CELL * row, value, f"{one}, {other}")
        for row, (one, values) in enumerate(zip(tasks, cosine.tolist(), strict=True))
        for column, (other, value) in enumerate(zip(tasks, values, strict=True))
    ]
    names = [
        f'<text class="end" x="{left - 6}" y="{_TOP + _CELL * row + 15}">{escape(name)}'
        "</text>"
        for row, name in enumerate(tasks)
    ]
    title = f'<text x="{left}" y="20">Every pair, in the mean of the run</text>'
    legend = (
        f'<text class="soft" x="{left}" y="37">green: agree; orange: conflict</text>'
    )
    return [title, legend, *names, *cells]


def _cell(x: float, y: float, value: float, pair: str) -> str:
    colour = _POSITIVE if value >= 0 else _NEGATIVE
    mixed = [round(255 + (each - 255) * min(1.0, abs(value))) for each in colour]
    filled = "#" + "".join(f"{each:02x}" for each in mixed)
    return (
        f'<rect x="{x}" y="{y}" width="{_CELL - 1}" height="{_CELL - 1}"'
        f' fill="{filled}"><title>{escape(pair)}: {value:.2f}</title></rect>'
    )
