"""Lines of charts, in the units of their axes."""

import math
from collections.abc import Iterable


def stairs(points: Iterable[tuple[float, float]], *, end: float) -> str:
    """The path of a line that keeps its height until the next point, as SVG has it.

    Args:
        points: Where it starts, and where it takes another height; x and y.
        end: The x up to which it keeps the last height.
    """
    (x, y), *others = points
    steps = "".join(f"H{_short(x)}V{_short(y)}" for x, y in others)
    return f"M{_short(x)} {_short(y)}{steps}H{_short(end)}"


def polyline(points: Iterable[tuple[float, float]]) -> str:
    """The path of straight lines from point to point, as SVG has it.

    Args:
        points: x and y of each; at least 1.
    """
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def ticks(end: float) -> list[int]:
    """Round numbers from 0 up to the end of an axis: 2 to 5 of them.

    Args:
        end: At least 1.
    """
    size = 10 ** math.floor(math.log10(end))
    sizes = (size * share for share in (0.2, 0.25, 0.5, 1, 2, 2.5, 5))
    step = next(step for step in sizes if step % 1 == 0 and end / step <= 4)
    return list(range(0, math.floor(end) + 1, int(step)))


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
