"""Success of trials as arrays of a crossed design."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from robomtl.experiments.cells import C, Row
from robomtl.experiments.crossed import Scores


class Where(NamedTuple):
    """Position of a trial on each axis of a crossed design; any sortable values."""

    seed: Any
    draw: Any
    goal: Any
    trial: Any


def scores_of(trials: Sequence[tuple[Where, bool | None]]) -> Scores:
    """Success along four sorted axes, NaN without an outcome; (seed, draw, goal, trial).

    Trials are numbered within their goal.

    Args:
        trials: Position of each trial, and whether it was solved; None after an error.
    """
    keys = [key for key, _ in trials]
    seeds, draws, goals = ({*some} for some in list(zip(*keys, strict=True))[:3])
    of_goal = {
        goal: _indices(k.trial for k in keys if k.goal == goal) for goal in goals
    }
    indices = [_indices(seeds), _indices(draws), _indices(goals)]
    scores = np.full((*map(len, indices), max(map(len, of_goal.values()))), np.nan)
    for key, success in trials:
        if success is not None:
            at = tuple(index[part] for index, part in zip(indices, key, strict=False))
            scores[(*at, of_goal[key.goal][key.trial])] = success
    return scores


Key = TypeVar("Key", bound=Hashable)


def scores_by(
    rows: Iterable[Row[C]],
    key: Callable[[Row[C]], Key],
    where: Callable[[Row[C]], Where],
) -> dict[Key, dict[str, Scores]]:
    """Scores of trials by key and task.

    Args:
        rows: Trials and their outcomes.
        key: Key of a row, by which trials are grouped.
        where: Position of a row among those of its key and task.
    """
    grouped: dict[Key, dict[str, list[tuple[Where, bool | None]]]] = {}
    for row in rows:
        of_task = grouped.setdefault(key(row), {}).setdefault(row.trial.task, [])
        of_task.append((where(row), row.success))
    return {
        each: {task: scores_of(some) for task, some in tasks.items()}
        for each, tasks in grouped.items()
    }


def _indices(values: Iterable[Any]) -> dict[Any, int]:
    """Index of each distinct value in sorted order."""
    return {value: index for index, value in enumerate(sorted({*values}))}


def known(tasks: Mapping[str, Scores]) -> dict[str, Scores]:
    """Scores of the tasks in which at least one trial has an outcome."""
    return {task: some for task, some in tasks.items() if not np.isnan(some).all()}
