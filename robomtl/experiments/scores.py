"""Rows of trials as arrays, by the position of each in a crossed design."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from robomtl.experiments.cells import C, Row
from robomtl.experiments.crossed import Scores


class Where(NamedTuple):
    """The position of a trial; anything that can be sorted."""

    seed: Any
    draw: Any
    goal: Any
    trial: Any


def scores_of(trials: Sequence[tuple[Where, bool | None]]) -> Scores:
    """Success along four axes, each in sorted order; trials are counted within a goal.

    Args:
        trials: The position of each, and whether it was solved; None after an error.
    """
    keys = [key for key, _ in trials]
    seeds, draws, goals = ({*some} for some in list(zip(*keys, strict=True))[:3])
    of_goal = {goal: _places(k.trial for k in keys if k.goal == goal) for goal in goals}
    places = [_places(seeds), _places(draws), _places(goals)]
    scores = np.full((*map(len, places), max(map(len, of_goal.values()))), np.nan)
    for key, success in trials:
        if success is not None:
            at = tuple(place[part] for place, part in zip(places, key, strict=False))
            scores[(*at, of_goal[key.goal][key.trial])] = success
    return scores


Key = TypeVar("Key", bound=Hashable)


def scores_by(
    rows: Iterable[Row[C]],
    key: Callable[[Row[C]], Key],
    where: Callable[[Row[C]], Where],
) -> dict[Key, dict[str, Scores]]:
    """Success in trials by key and task.

    Args:
        rows: The trials.
        key: Distinguishes them.
        where: The position of each among those of its key and task.
    """
    found: dict[Key, dict[str, list[tuple[Where, bool | None]]]] = {}
    for row in rows:
        of_task = found.setdefault(key(row), {}).setdefault(row.trial.task, [])
        of_task.append((where(row), row.success))
    return {
        each: {task: scores_of(some) for task, some in tasks.items()}
        for each, tasks in found.items()
    }


def _places(values: Iterable[Any]) -> dict[Any, int]:
    """The place of each value among them, sorted."""
    return {value: place for place, value in enumerate(sorted({*values}))}


def known(tasks: Mapping[str, Scores]) -> dict[str, Scores]:
    """The tasks of which at least one trial has an outcome."""
    return {task: some for task, some in tasks.items() if not np.isnan(some).all()}
