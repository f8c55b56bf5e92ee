"""Formatting of numbers for reports; unknown values are shown as a dash."""

from robomtl.evaluation.statistics import Interval


def percent(rate: float | None) -> str:
    """Rate in per cent."""
    return "–" if rate is None else f"{rate:.1%}"


def span(interval: Interval | None) -> str:
    """Interval of a rate in per cent."""
    if interval is None:
        return "–"
    return f"{100 * interval.low:.1f}–{100 * interval.high:.1f}"


def points(difference: float) -> str:
    """Difference of rates in percentage points, with its sign."""
    return f"{100 * difference:+z.1f}"


def change(interval: Interval) -> str:
    """Interval of a difference of rates in percentage points, with signs."""
    return f"{100 * interval.low:+z.1f}, {100 * interval.high:+z.1f}"


def p_value(value: float) -> str:
    """P-value with three decimals; in powers of ten below 0.001."""
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"


def rounded(number: float | None) -> str:
    """Number without decimals."""
    return "–" if number is None else f"{number:.0f}"


def duration(seconds: float) -> str:
    """Duration in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def counted(number: int, noun: str) -> str:
    """Number with its noun, in the plural unless the number is 1."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
