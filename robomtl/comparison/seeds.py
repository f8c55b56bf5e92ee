"""Two methods compared over several seeds of training each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from robomtl.arguments import checked
from robomtl.comparison.aggregates import (
    Bootstrap,
    Scores,
    iqm,
    iqm_difference,
    mean,
    probability_of_improvement,
)
from robomtl.comparison.comparison import check_confidence, read
from robomtl.comparison.findings import SeedComparison
from robomtl.comparison.page import seeds_page
from robomtl.comparison.pairing import check_conditions
from robomtl.comparison.writing import write_comparison
from robomtl.errors import InputError
from robomtl.evaluation.results import Results
from robomtl.paths import located
from robomtl.ranges import check_seed

Evaluation = Results | Path | str


@checked
def compare_seeds(
    a: Sequence[Evaluation],
    b: Sequence[Evaluation],
    *,
    across: bool = False,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    out: Path | str | None = None,
) -> SeedComparison:
    """How two methods differ over seeds of training.

    Args:
        a: Evaluations of A, or their folders, one for each seed of training.
        b: Evaluations of B.
        across: Whether they may be of different conditions or trials.
        confidence: Of all intervals.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
        out: Folder for ``comparison.json`` and ``comparison.html``; nothing is written
            by default.

    Raises:
        ValueError: If there are fewer than 2 seeds of each, one is given twice,
            conditions or trials differ without ``across``, or no task is in all.
    """
    check_confidence(confidence)
    check_seed(seed)
    every = _evaluations(a, b)
    differing = check_conditions(every, across=across)
    if not across:
        _check_trials(every)
    tasks = _tasks(list(every.values()))
    of_a, of_b = ([every[name] for name in every if name[0] == side] for side in "AB")
    scores_a, scores_b = _scores(of_a, tasks), _scores(of_b, tasks)
    draws = Bootstrap(confidence=confidence, resamples=resamples, seed=seed)
    found = SeedComparison(
        a=tuple(results.setting.agent for results in of_a),
        b=tuple(results.setting.agent for results in of_b),
        suite=of_a[0].setting.suite,
        tasks=tasks,
        left_out=_left_out([*of_a, *of_b], tasks),
        errors=sum(results.summary.everything.errors for results in every.values()),
        mean_a=draws.estimate(mean, scores_a),
        mean_b=draws.estimate(mean, scores_b),
        iqm_a=draws.estimate(iqm, scores_a),
        iqm_b=draws.estimate(iqm, scores_b),
        difference=draws.estimate(iqm_difference, scores_a, scores_b),
        improvement=draws.estimate(probability_of_improvement, scores_a, scores_b),
        differing=differing,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    if out is not None:
        write_comparison(located(out), "seeds", found, seeds_page(found))
    return found


def _evaluations(
    a: Sequence[Evaluation], b: Sequence[Evaluation]
) -> dict[str, Results]:
    """The evaluations, by the names messages give them: A1, A2, ... and B1, ..."""
    if min(len(a), len(b)) < 2:
        raise InputError(
            f"Seeds of A: {len(a)}, of B: {len(b)}. Give at least 2 of each, and 5 or"
            " more for a claim; two single agents are compared by their trials."
        )
    sides = {"A": a, "B": b}
    every = {
        f"{side}{place}": read(evaluation)
        for side, evaluations in sides.items()
        for place, evaluation in enumerate(evaluations, start=1)
    }
    seen: dict[str, str] = {}
    for name, results in every.items():
        other = seen.setdefault(results.setting.fingerprint, name)
        if other != name:
            raise InputError(
                f"{other} and {name} are the same agent; a seed counts once, and more"
                " trials of an agent are no more seeds."
            )
    return every


def _check_trials(every: Mapping[str, Results]) -> None:
    first, *others = every
    for name in others:
        if differ := len(_trials(every[first]) ^ _trials(every[name])):
            raise InputError(
                f"{first} and {name} differ in {differ} trials; evaluate all seeds on the"
                " same trials, or ask for a comparison across conditions (--across)."
            )


def _trials(results: Results) -> set[tuple[str, int, int]]:
    return {(row.task, row.variation, row.repeat) for row in results.records}


def _tasks(every: Sequence[Results]) -> tuple[str, ...]:
    tasks = tuple(
        name
        for name in every[0].tasks
        if all(name in each.tasks and each.tasks[name].trials for each in every)
    )
    if not tasks:
        raise InputError("No task has an outcome in all evaluations.")
    return tasks


def _left_out(every: Sequence[Results], tasks: Sequence[str]) -> tuple[str, ...]:
    names = dict.fromkeys(name for results in every for name in results.tasks)
    return tuple(name for name in names if name not in tasks)


def _scores(some: Sequence[Results], tasks: Sequence[str]) -> Scores:
    """Success of each seed in each task; (seed, task)."""
    rates = [[results.tasks[name].success for name in tasks] for results in some]
    return np.array(rates, np.float64)
