"""Trials of a comparison as arrays, by what they have in common."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from robomtl.adaptation.rows import Kind, TrialRow
from robomtl.experiments.crossed import Scores
from robomtl.experiments.scores import Where, scores_of


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
        lambda row: Where(row.seed, row.draw, row.goal or 0, _place(row)),
    )


def retained_scores(rows: Iterable[TrialRow]) -> dict[Arm, dict[str, Scores]]:
    """Success in the tasks trained on, by arm and task.

    What was adapted to takes the place of the draw; (seed, adapted to, 1, trial).
    """
    return _by_arm(
        rows,
        "retained",
        lambda row: Where(row.seed, (row.adapted_to, row.goal or 0), 0, _place(row)),
    )


def _place(row: TrialRow) -> tuple[int, int]:
    return row.variation, row.repeat


def _by_arm(
    rows: Iterable[TrialRow], kind: Kind, where: Callable[[TrialRow], Where]
) -> dict[Arm, dict[str, Scores]]:
    found: dict[Arm, dict[str, list[TrialRow]]] = {}
    for row in rows:
        if row.kind == kind:
            arm = Arm(_name(row), row.shots, row.steps, row.control)
            found.setdefault(arm, {}).setdefault(row.task, []).append(row)
    return {
        arm: {task: scores_of(some, where) for task, some in tasks.items()}
        for arm, tasks in found.items()
    }


def _name(row: TrialRow) -> str:
    """The method; what the policy was trained with, for one as it was trained."""
    return row.method or f"/{row.objective}"
