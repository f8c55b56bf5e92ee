"""Charts of the time to success: one for all tasks, and one for each tier."""

from collections.abc import Sequence
from dataclasses import dataclass

from robomtl.evaluation.figures import counted, percent
from robomtl.evaluation.results import Results
from robomtl.evaluation.time_to_success import Curve, solved_by


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


def panels(results: Results) -> Panels | None:
    """Charts of an evaluation; None if no trial has an outcome."""
    criterion = results.setting.criterion
    every = solved_by(results.records, criterion)
    if every is None:
        return None
    end = _end(results, every)
    tiers = results.task_tiers
    groups = {
        tier or "no tier": [r for r in results.records if tiers[r.task] == tier]
        for tier in results.tiers
    }
    found = {"all tasks": every}
    if len(groups) > 1:
        curves = {
            tier: solved_by(records, criterion) for tier, records in groups.items()
        }
        found |= {tier: curve for tier, curve in curves.items() if curve is not None}
    return Panels(
        curves=[_panel(title, curve, end) for title, curve in found.items()],
        end=end,
        unsolved=_unsolved(every),
    )


def _end(results: Results, curve: Curve) -> int:
    """Last step of the axes: the horizon, or the last step of any trial."""
    known = (*curve.steps[-1:], *curve.unsolved[-1:], results.setting.horizon or 1)
    return max(known)


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
