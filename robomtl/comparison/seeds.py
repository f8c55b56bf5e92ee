"""Two methods compared over several seeds of training each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robomtl.comparison.aggregates import (
    Scores,
    bootstrap_interval,
    iqm,
    mean,
    probability_of_improvement,
)
from robomtl.comparison.comparison import check_confidence, read, write_comparison
from robomtl.comparison.pairing import check_conditions
from robomtl.evaluation.results import Results
from robomtl.evaluation.statistics import Interval

Evaluation = Results | Path | str


@dataclass(frozen=True)
class Estimate:
    """A number and its interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class SeedComparison:
    """How two methods differ, a seed of training being the unit; see ``aggregates``."""

    a: tuple[str, ...]
    """Names of A's agents, one a seed."""
    b: tuple[str, ...]
    """Names of B's agents."""
    suite: str
    tasks: tuple[str, ...]
    """Tasks in which every seed has an outcome: those compared."""
    left_out: tuple[str, ...]
    """Other tasks."""
    errors: int
    """Trials without an outcome, in no rate."""
    mean_a: Estimate
    """Mean success of A over seeds and tasks."""
    mean_b: Estimate
    """Mean success of B."""
    iqm_a: Estimate
    """Interquartile mean of A's success over seeds and tasks."""
    iqm_b: Estimate
    """Interquartile mean of B's success."""
    difference: Estimate
    """Interquartile mean of A less that of B."""
    improvement: Estimate
    """Probability that a seed of A beats one of B in a task, ties counting half."""
    differing: tuple[str, ...]
    """Conditions that differ, a phrase each."""
    confidence: float
    """Of all intervals."""
    resamples: int
    """Of the bootstrap."""
    seed: int
    """Of the bootstrap."""


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
        out: Folder for ``comparison.json``; nothing is written by default.

    Raises:
        ValueError: If there are fewer than 2 seeds of each, one is given twice,
            conditions or trials differ without ``across``, or no task is in all.
    """
    check_confidence(confidence)
    names = [*(f"A{i + 1}" for i in range(len(a))), *(f"B{i + 1}" for i in range(len(b)))]
    _check_count(len(a), len(b))
    every = [read(evaluation) for evaluation in (*a, *b)]
    _check_distinct(every, names)
    differing = check_conditions(every, names, across=across)
    if not across:
        _check_trials(every, names)
    tasks = _tasks(every)
    scores_a, scores_b = (
        _scores(some, tasks) for some in (every[: len(a)], every[len(a) :])
    )

    def estimate(statistic: Callable[..., Scores], *scores: Scores) -> Estimate:
        interval = bootstrap_interval(
            statistic, *scores, confidence=confidence, resamples=resamples, seed=seed
        )
        return Estimate(float(statistic(*scores)), interval)

    found = SeedComparison(
        a=tuple(results.setting.agent for results in every[: len(a)]),
        b=tuple(results.setting.agent for results in every[len(a) :]),
        suite=every[0].setting.suite,
        tasks=tasks,
        left_out=_left_out(every, tasks),
        errors=sum(results.summary.everything.errors for results in every),
        mean_a=estimate(mean, scores_a),
        mean_b=estimate(mean, scores_b),
        iqm_a=estimate(iqm, scores_a),
        iqm_b=estimate(iqm, scores_b),
        difference=estimate(_iqm_difference, scores_a, scores_b),
        improvement=estimate(probability_of_improvement, scores_a, scores_b),
        differing=differing,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    if out is not None:
        write_comparison(Path(out), "seeds", found)
    return found


def _iqm_difference(a: Scores, b: Scores) -> Scores:
    return iqm(a) - iqm(b)


def _check_count(a: int, b: int) -> None:
    if min(a, b) < 2:
        raise ValueError(
            f"There are {a} seeds of A and {b} of B; give at least 2 of each, and 5 or"
            " more for a claim. One agent is compared with another by its trials."
        )


def _check_distinct(every: Sequence[Results], names: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name, results in zip(names, every, strict=True):
        other = seen.setdefault(results.setting.fingerprint, name)
        if other != name:
            raise ValueError(
                f"{other} and {name} are the same agent; a seed counts once, and more"
                " trials of an agent are no more seeds."
            )


def _check_trials(every: Sequence[Results], names: Sequence[str]) -> None:
    first = _trials(every[0])
    for name, results in zip(names, every, strict=True):
        if other := len(first ^ _trials(results)):
            raise ValueError(
                f"{names[0]} and {name} differ in {other} trials; evaluate all seeds on"
                " the same trials, or compare across conditions (--across)."
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
        raise ValueError("No task has an outcome in all evaluations.")
    return tasks


def _left_out(every: Sequence[Results], tasks: Sequence[str]) -> tuple[str, ...]:
    names = dict.fromkeys(name for results in every for name in results.tasks)
    return tuple(name for name in names if name not in tasks)


def _scores(some: Sequence[Results], tasks: Sequence[str]) -> Scores:
    """Success of each seed in each task; (seed, task)."""
    rates = [[results.tasks[name].success for name in tasks] for results in some]
    return np.array(rates, np.float64)
