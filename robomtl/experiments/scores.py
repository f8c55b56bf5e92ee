"""Rows of trials as arrays, by the position of each in a crossed design."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from robomtl.experiments.cells import C, Row
from robomtl.experiments.crossed import Scores


class Scored(Protocol):
    """A row of a table of trials."""

    @property
    def success(self) -> bool | None:
        """Whether the trial was solved; None after an error."""
        ...


class Where(NamedTuple):
    """The position of a trial; anything that can be sorted."""

    seed: Any
    draw: Any
    goal: Any
    trial: Any


Some = TypeVar("Some", bound=Scored)


def scores_of(rows: Sequence[Some], where: Callable[[Some], Where]) -> Scores:
    """Rows along four axes, each in sorted order; trials are counted within a goal."""
    keys = [where(row) for row in rows]
    seeds, draws, goals = ({*some} for some in list(zip(*keys, strict=True))[:3])
    trials = {goal: _places(k.trial for k in keys if k.goal == goal) for goal in goals}
    places = [_places(seeds), _places(draws), _places(goals)]
    scores = np.full((*map(len, places), max(map(len, trials.values()))), np.nan)
    for key, row in zip(keys, rows, strict=True):
        if row.success is not None:
            at = tuple(place[part] for place, part in zip(places, key, strict=False))
            scores[(*at, trials[key.goal][key.trial])] = row.success
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
    found: dict[Key, dict[str, list[Row[C]]]] = {}
    for row in rows:
        found.setdefault(key(row), {}).setdefault(row.trial.task, []).append(row)
    return {
        each: {task: scores_of(some, where) for task, some in tasks.items()}
        for each, tasks in found.items()
    }


def _places(values: Iterable[Any]) -> dict[Any, int]:
    """The place of each value among them, sorted."""
    return {value: place for place, value in enumerate(sorted({*values}))}


def known(tasks: Mapping[str, Scores]) -> dict[str, Scores]:
    """The tasks of which at least one trial has an outcome."""
    return {task: some for task, some in tasks.items() if not np.isnan(some).all()}
