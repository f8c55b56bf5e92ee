"""Charts of the time to success: one for all tasks, and one for each tier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from robomtl.evaluation.formatting import counted, percent
from robomtl.evaluation.time_to_success import ALL_TASKS, Curve


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Chart of a curve."""

    title: str
    """Name of the tasks, and their success rate."""
    half: str
    """Step by which half of the trials were solved, in words."""
    points: Sequence[tuple[float, float]]
    """Pairs (step, fraction of trials solved by this step)."""
    summary: str
    """Description of the curve in words, for screen readers."""


@dataclass(frozen=True, kw_only=True)
class Panels:
    """Charts with the same axes."""

    curves: Sequence[Panel]
    """Charts; that of all tasks is first."""
    end: int
    """Last step of the axes."""
    unsolved: str
    """Sentence on trials that ended unsolved; empty if none did."""


def panels(curves: Mapping[str, Curve], horizon: int | None) -> Panels:
    """Charts of an evaluation's curves.

    Args:
        curves: Curves by title, among them that of all tasks; see ``curves_of``.
        horizon: Last step of the axes unless a trial was longer; None if unknown.
    """
    every = curves[ALL_TASKS]
    end = max((*every.steps[-1:], *every.unsolved[-1:], horizon or 1))
    return Panels(
        curves=[_panel(title, curve, end) for title, curve in curves.items()],
        end=end,
        unsolved=_unsolved(every),
    )


def _panel(title: str, curve: Curve, end: int) -> Panel:
    half = curve.step_of(0.5)
    reached = percent(curve.success_rate_by(end))
    middle = "half never" if half is None else f"half by step {half}"
    return Panel(
        title=f"{title} {reached}",
        half=middle,
        points=list(zip(curve.steps, curve.success_rates, strict=True)),
        summary=f"{title}: {reached} solved within {counted(end, 'step')}, {middle}",
    )


def _unsolved(curve: Curve) -> str:
    if not curve.unsolved:
        return ""
    first, last = curve.unsolved[0], curve.unsolved[-1]
    after = counted(last, "step") if first == last else f"{first} to {last} steps"
    return (
        f"{counted(len(curve.unsolved), 'trial')} ended unsolved after {after}; whether"
        " they would have been solved later is not known."
    )
