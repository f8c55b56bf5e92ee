"""Trials of a comparison as arrays, by what they have in common."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from robomtl.adaptation.rows import Kind, TrialRow
from robomtl.experiments.crossed import Scores


class Arm(NamedTuple):
    """One way to adapt, under one condition."""

    method: str
    shots: int
    steps: int | None = None
    control: str = "none"


def query_scores(rows: Iterable[TrialRow]) -> dict[Arm, dict[str, Scores]]:
    """Success in the tasks adapted to, by arm and task; (seed, draw, goal, trial)."""
    return _by_arm(
        rows,
        "query",
        lambda row: (row.seed, row.draw, row.goal or 0, _place(row)),
    )


def retained_scores(rows: Iterable[TrialRow]) -> dict[Arm, dict[str, Scores]]:
    """Success in the tasks trained on, by arm and task.

    What was adapted to takes the place of the draw; (seed, adapted to, 1, trial).
    """
    return _by_arm(
        rows,
        "retained",
        lambda row: (row.seed, (row.adapted_to, row.goal or 0), 0, _place(row)),
    )


def _place(row: TrialRow) -> tuple[int, int]:
    return row.variation, row.repeat


_Where = Callable[[TrialRow], tuple[Any, ...]]


def _by_arm(
    rows: Iterable[TrialRow], kind: Kind, where: _Where
) -> dict[Arm, dict[str, Scores]]:
    found: dict[Arm, dict[str, list[TrialRow]]] = {}
    for row in rows:
        if row.kind == kind:
            arm = Arm(_name(row), row.shots, row.steps, row.control)
            found.setdefault(arm, {}).setdefault(row.task, []).append(row)
    return {
        arm: {task: _array(some, where) for task, some in tasks.items()}
        for arm, tasks in found.items()
    }


def _name(row: TrialRow) -> str:
    """The method; what the policy was trained with, for one as it was trained."""
    return row.method or f"/{row.objective}"


def _array(rows: Sequence[TrialRow], where: _Where) -> Scores:
    """Rows along four axes, each in sorted order; trials are counted within a goal."""
    keys = [where(row) for row in rows]
    seeds, draws, goals = ({*some} for some in list(zip(*keys, strict=True))[:3])
    trials = {goal: _places(key[3] for key in keys if key[2] == goal) for goal in goals}
    places = [_places(seeds), _places(draws), _places(goals)]
    scores = np.full((*map(len, places), max(map(len, trials.values()))), np.nan)
    for key, row in zip(keys, rows, strict=True):
        if row.success is not None:
            at = tuple(place[part] for place, part in zip(places, key, strict=False))
            scores[(*at, trials[key[2]][key[3]])] = row.success
    return scores


def _places(values: Iterable[Any]) -> dict[Any, int]:
    """The place of each value among them, sorted."""
    return {value: place for place, value in enumerate(sorted({*values}))}


def known(tasks: Mapping[str, Scores]) -> dict[str, Scores]:
    """The tasks of which at least one trial has an outcome."""
    return {task: some for task, some in tasks.items() if not np.isnan(some).all()}
