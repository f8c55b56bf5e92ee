"""Findings of a lifelong experiment: success matrices, transfer and forgetting."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.evaluation.statistics import Interval
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.analysis import CONFIDENCE, mean_success, success_of
from robomtl.experiments.cells import Finished, reasons_of
from robomtl.experiments.crossed import Scores, compared
from robomtl.experiments.findings import Success, Took, took_of
from robomtl.experiments.lifelong.lifelong_design import StreamCell
from robomtl.experiments.lifelong.streaming import Shared
from robomtl.experiments.lifelong.transfer_measures import (
    Played,
    area,
    backward,
    forgotten,
    forward,
    learned,
)
from robomtl.files.request import plain

Measure = Callable[[Played, Sequence[str], str], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Retained:
    """Findings on one method, over all orders and seeds."""

    final: Success
    """Success on all tasks at the end of the stream."""
    learned: Estimate | None
    """Mean success on each task right after it is learned. This and the next four are None
    for a method that learns all tasks at once, and where a trial has no outcome."""
    forward_transfer: Estimate | None
    """FWT; see ``transfer_measures``."""
    backward_transfer: Estimate | None
    """NBT, a measure of forgetting; lower is better."""
    area: Estimate | None
    """AUC."""
    relative_forgetting: float | None
    """NBT/c; None also where no task was learned."""
    unchanged: bool
    """Whether, in every run, the policy that acts on a task stays the same, bit for bit,
    once the task is learned: NBT is then 0 without an interval. False for a method that
    learns all tasks at once."""
    forgetting: Mapping[str, Estimate]
    """Success on each task right after it is learned minus that at the end, by task."""
    matrix: Mapping[int, Mapping[str, float]]
    """Success in the given order, by number of tasks learned and task; mean over seeds.
    Covers the tasks learned so far and the next one."""
    curve: Mapping[int, Success]
    """Success on the tasks learned so far, in the given order, by number of tasks."""


@dataclass(frozen=True, kw_only=True)
class LifelongFindings:
    """Findings on all methods of a lifelong experiment."""

    format: int = 1
    """Version of ``results.json``; raised when the meaning of a field changes."""
    suite: str
    stream: tuple[str, ...]
    """Names of the tasks in the given order."""
    orders: int
    seeds: int
    trials: int
    """Trials of each task after each stage."""
    demonstrations: int
    """Demonstrations of each task."""
    task_id: str
    """Whether the identity of the task is given at test, or withheld."""
    confidence: float
    methods: Mapping[str, Retained]
    """Findings of each method by label."""
    definitions: Mapping[str, Mapping[str, Any]]
    """Methods with their settings, by label."""
    cost: Mapping[str, Took]
    """Costs by label: medians over orders and seeds."""
    reasons: Mapping[str, Mapping[str, int]]
    """Number of failed runs by label and reason."""
    sha256: str
    """Hash of the demonstrations."""


def findings_of(
    shared: Shared, finished: Sequence[Finished[StreamCell]]
) -> LifelongFindings:
    """The findings of finished cells.

    Args:
        shared: Suite, stream and methods.
        finished: Runs and the outcomes of their trials.
    """
    request = shared.request
    runs = {
        label: [each for each in finished if each.cell.method == label]
        for label in shared.variants
    }
    costs = {
        label: [done.cost for _, done in some if done.cost]
        for label, some in runs.items()
    }
    return LifelongFindings(
        suite=shared.suite.name,
        stream=shared.stream,
        orders=request.orders,
        seeds=request.seeds,
        trials=request.trials,
        demonstrations=request.demonstrations,
        task_id=request.task_id,
        confidence=CONFIDENCE,
        methods={label: retained(some, shared.stream) for label, some in runs.items()},
        definitions={k: plain(each) for k, each in shared.variants.items()},
        cost={label: took_of(some) for label, some in costs.items() if some},
        reasons={label: reasons_of(some) for label, some in runs.items()},
        sha256=shared.sha256,
    )


def retained(runs: Sequence[Finished[StreamCell]], stream: Sequence[str]) -> Retained:
    """The findings of a method on a stream, over its orders and seeds.

    Args:
        runs: All cells of the method.
        stream: Names of the tasks in the given order.
    """
    played = [(run.cell.stream, played_in(run)) for run in runs]
    given = [each for order, each in played if order == tuple(stream)]
    tasks, end = list(dict.fromkeys(stream)), len(stream)
    stages = sorted({stage for _, each in played for stage, _ in each})
    complete = len(stages) == end and not any(
        np.isnan(some).any() for _, each in played for some in each.values()
    )
    measured = {
        measure: _scores(played, tasks, measure) if complete else dict[str, Scores]()
        for measure in (learned, forward, area, forgotten)
    }
    return Retained(
        final=success_of({t: _stacked([p[end, t] for _, p in played]) for t in tasks}),
        learned=_rate(measured[learned]),
        forward_transfer=_rate(measured[forward]),
        backward_transfer=_compared(_by_place(played)) if complete else None,
        area=_rate(measured[area]),
        unchanged=complete
        and all((run.done.measured or {}).get("unchanged") for run in runs),
        relative_forgetting=_relative(played, tasks) if complete else None,
        forgetting={
            task: _compared({task: some}) for task, some in measured[forgotten].items()
        },
        matrix={stage: _rates(given, stage, tasks) for stage in stages},
        curve={
            stage: success_of(
                {
                    task: _stacked([each[stage, task] for each in given])
                    for task in dict.fromkeys(stream[:stage])
                }
            )
            for stage in stages
        },
    )


def _rates(
    played: Sequence[Played], stage: int, tasks: Sequence[str]
) -> dict[str, float]:
    """Mean success after a stage, by task; tasks without an outcome are left out."""
    scores = {
        task: np.array([each[stage, task] for each in played])
        for task in tasks
        if (stage, task) in played[0]
    }
    return {
        task: float(np.nanmean(some))
        for task, some in scores.items()
        if not np.isnan(some).all()
    }


def played_in(run: Finished[StreamCell]) -> Played:
    """Success in the trials of a run, NaN without an outcome, by stage and task."""
    played: dict[tuple[int, str], list[float]] = {}
    rows = zip(run.cell.learned, run.cell.trials, run.done.outcomes, strict=True)
    for stage, trial, outcome in rows:
        success = np.nan if outcome.success is None else float(outcome.success)
        played.setdefault((stage, trial.task), []).append(success)
    return {at: np.array(some) for at, some in played.items()}


def _scores(
    played: Sequence[tuple[Sequence[str], Played]],
    tasks: Sequence[str],
    measure: Measure,
) -> dict[str, Scores]:
    """Values of a measure by task, over the runs."""
    return {
        task: _stacked([measure(each, stream, task) for stream, each in played])
        for task in tasks
    }


def _by_place(played: Sequence[tuple[Sequence[str], Played]]) -> dict[str, Scores]:
    """NBT_k over the runs by place k in the stream; NaN where a run has fewer places.

    Not by task: a task has no NBT in the orders in which it is the last, so that tasks
    would have different numbers of runs.
    """
    runs = [
        [
            found
            for task in dict.fromkeys(stream)
            if (found := backward(each, stream, task)) is not None
        ]
        for stream, each in played
    ]
    missing = np.full_like(runs[0][0], np.nan)
    places = range(max(map(len, runs)))
    return {
        str(k): _stacked([some[k] if k < len(some) else missing for some in runs])
        for k in places
    }


def _stacked(runs: Sequence[NDArray[np.float64]]) -> Scores:
    """Runs as seeds of a crossed design; (run, 1, 1, trial)."""
    return np.stack(runs)[:, None, None, :]


def _rate(tasks: Mapping[str, Scores]) -> Estimate | None:
    """Estimate of a mean between 0 and 1; None without a task."""
    if not tasks:
        return None
    found = _compared(tasks)
    low, high = found.interval
    return Estimate(found.value, Interval(max(0.0, low), min(1.0, high)))


def _compared(tasks: Mapping[str, Scores]) -> Estimate:
    """Estimate of a mean between -1 and 1."""
    return Estimate(mean_success(tasks), compared(tasks, CONFIDENCE).interval)


def _relative(
    played: Sequence[tuple[Sequence[str], Played]], tasks: Sequence[str]
) -> float | None:
    """NBT/c: the mean over runs and tasks of the fraction of success that is forgotten."""
    fractions = []
    for stream, each in played:
        for task in tasks:
            lost = backward(each, stream, task)
            before = learned(each, stream, task).mean()
            if lost is not None and before > 0:
                fractions.append(float(lost.mean() / before))
    return float(np.mean(fractions)) if fractions else None
