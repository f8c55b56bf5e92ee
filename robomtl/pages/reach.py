"""How far the axis of a chart of differences goes."""

from collections.abc import Sequence

from robomtl.evaluation.statistics import Interval


def reach_of(intervals: Sequence[Interval]) -> float:
    """The least round share, to either side of zero, that holds all intervals."""
    furthest = max((abs(limit) for each in intervals for limit in each), default=0.0)
    return next((reach for reach in (0.1, 0.2, 0.5) if furthest <= reach), 1.0)
