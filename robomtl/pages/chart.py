"""Lines of charts, in the units of their axes."""

from collections.abc import Iterable


def polyline(points: Iterable[tuple[float, float]]) -> str:
    """The path of straight lines from point to point, as SVG has it.

    Args:
        points: x and y of each; at least 1.
    """
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
