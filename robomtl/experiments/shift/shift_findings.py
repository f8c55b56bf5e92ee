"""Findings of a shift experiment: success by magnitude, areas, differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.analysis import (
    CONFIDENCE,
    differences_of,
    success_of,
    weighted_mean_of,
)
from robomtl.experiments.cells import Finished, rows_of
from robomtl.experiments.crossed import Scores, combined
from robomtl.experiments.curves import area_weights
from robomtl.experiments.findings import Difference, Success
from robomtl.experiments.scores import Where, known, scores_by
from robomtl.experiments.shift.shift_plan import NONE, Grid, ShiftCell
from robomtl.shifts.shift import SHIFTS

EVERY = "all"
"""Key of the mean over all shifts."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Description, unit and played magnitudes of a shift."""

    line: str
    unit: str
    none: float
    """Magnitude at which nothing changes."""
    magnitudes: tuple[float, ...]
    """Played magnitudes, ascending, including ``none``."""


@dataclass(frozen=True, kw_only=True)
class ShiftFindings:
    """Findings on all policies of a shift experiment."""

    format: int = 1
    """Version of ``results.json``; raised when the meaning of a field changes."""
    suite: str
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    trials: int
    """Trials of each task under each magnitude."""
    confidence: float
    baseline: str
    """Label of the first policy, with which the others are compared."""
    shifts: Mapping[str, Axis]
    """Shifts by name."""
    success: Mapping[str, Mapping[str, tuple[Success, ...]]]
    """Success by label and shift, in the order of the shift's magnitudes."""
    area: Mapping[str, Mapping[str, Estimate]]
    """Normalised area under success against magnitude, by label and shift; the key ``all``
    has the mean over all shifts, ``none`` the success without a shift."""
    differences: Mapping[str, Mapping[str, Difference]]
    """Area minus that of the baseline, by label and by the keys of ``area``."""


Tried = Mapping[str, Mapping[tuple[str, float], Mapping[str, Scores]]]
"""Success of trials by label, by shift and magnitude, and by task."""


def findings_of(
    finished: Sequence[Finished[ShiftCell]], suite: str, grid: Grid
) -> ShiftFindings:
    """The findings of finished cells.

    Args:
        finished: The cells with the outcomes of their trials.
        suite: Name of the suite.
        grid: Played magnitudes by shift.
    """
    tried = _tried(finished, grid)
    labels = list(tried)
    cells = [cell for cell, _ in finished]
    scores = {label: _areas(some, grid) for label, some in tried.items()}
    return ShiftFindings(
        suite=suite,
        tasks=tuple(dict.fromkeys(cell.task for cell in cells)),
        seeds=tuple(sorted({cell.seed for cell in cells})),
        trials=len(cells[0].trials),
        confidence=CONFIDENCE,
        baseline=labels[0],
        shifts={name: _axis(name, magnitudes) for name, magnitudes in grid.items()},
        success={
            label: {
                name: tuple(success_of(some[name, at]) for at in magnitudes)
                for name, magnitudes in grid.items()
            }
            for label, some in tried.items()
        },
        area={
            label: {key: estimate for key, (estimate, _) in some.items()}
            for label, some in scores.items()
        },
        differences={
            label: differences_of(
                {
                    key: (own, scores[labels[0]][key][1])
                    for key, (_, own) in scores[label].items()
                    if key in scores[labels[0]]
                }
            )
            for label in labels[1:]
        },
    )


def _axis(name: str, magnitudes: tuple[float, ...]) -> Axis:
    shift = SHIFTS.get(name)
    return Axis(
        line=shift.line, unit=shift.unit, none=shift.none, magnitudes=magnitudes
    )


def _tried(finished: Sequence[Finished[ShiftCell]], grid: Grid) -> Tried:
    """Success of trials by label; every shift gets the unshifted trials at its ``none``."""
    by_label: dict[str, dict[tuple[str, float], Mapping[str, Scores]]] = {}
    by_cell = scores_by(
        rows_of(finished),
        lambda row: (row.cell.line, row.cell.shift, row.cell.magnitude),
        lambda row: Where(row.cell.seed, 0, 0, row.start),
    )
    for (label, shift, magnitude), tasks in by_cell.items():
        conditions = by_label.setdefault(label, {})
        conditions[shift, magnitude] = tasks
        if shift == NONE:
            conditions |= {(name, SHIFTS.get(name).none): tasks for name in grid}
    return by_label


def _areas(
    tried: Mapping[tuple[str, float], Mapping[str, Scores]], grid: Grid
) -> dict[str, tuple[Estimate, Mapping[str, Scores]]]:
    """Areas and weighted sums of trials by shift; see ``ShiftFindings.area``.

    A shift is left out if a task has no outcome at one of its magnitudes, and then so is
    the mean over all shifts.
    """
    weights: dict[str, dict[tuple[str, float], float]] = {NONE: {(NONE, 0.0): 1.0}}
    for name, magnitudes in grid.items():
        parts = area_weights(magnitudes, factor=SHIFTS.get(name).factor)
        weights[name] = {(name, at): w for at, w in zip(magnitudes, parts, strict=True)}
    every = {key: w / len(grid) for name in grid for key, w in weights[name].items()}
    found: dict[str, tuple[Estimate, Mapping[str, Scores]]] = {}
    for name, parts_by in {EVERY: every, **weights}.items():
        curve = [tried[key] for key in parts_by]
        if all(known(some).keys() == some.keys() for some in curve):
            parts = [*parts_by.values()]
            found[name] = weighted_mean_of(curve, parts), combined(curve, parts)
    return found
