"""The range of the axis of a chart of differences."""

from collections.abc import Sequence

from robomtl.evaluation.statistics import Interval


def reach_of(intervals: Sequence[Interval]) -> float:
    """Limit of a symmetric axis of differences that contains all intervals; 0.1 to 1."""
    furthest = max((abs(limit) for each in intervals for limit in each), default=0.0)
    return next((reach for reach in (0.1, 0.2, 0.5) if furthest <= reach), 1.0)
