"""Two evaluations compared on the trials they share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from robomtl.comparison.paired import (
    Tally,
    difference_interval,
    holm,
    mcnemar,
    mean_difference_interval,
    total,
)
from robomtl.comparison.pairing import pair
from robomtl.comparison.power import more_to_settle
from robomtl.durable import write_json
from robomtl.evaluation.results import Results
from robomtl.evaluation.statistics import Interval
from robomtl.request import plain

COMPARISON = "comparison.json"


@dataclass(frozen=True, kw_only=True)
class TaskDifference:
    """How A and B differ in a task."""

    tally: Tally
    """Its pairs, by who solved them."""
    difference: float
    """Success of A less that of B."""
    interval: Interval
    """Of the difference; see ``difference_interval``."""
    p_value: float
    """Of the exact McNemar test, of this task alone."""
    holm: float
    """The same, corrected for the number of tasks."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How A and B differ on the trials that both played, success being at any step."""

    a: str
    """Name of the agent A."""
    b: str
    """Name of the agent B."""
    suite: str
    """That of A."""
    success_a: float
    """Mean over tasks of A's success, in the pairs."""
    success_b: float
    """Mean over tasks of B's success, in the pairs."""
    difference: float
    """Mean over tasks of the success of A less that of B."""
    interval: Interval
    """Of the difference; see ``mean_difference_interval``."""
    tally: Tally
    """All pairs, by who solved them."""
    p_value: float
    """Of the exact McNemar test that A and B solve every task alike."""
    more_to_settle: int | None
    """Pairs it would take besides these; see ``more_to_settle``. None for too many."""
    tasks: Mapping[str, TaskDifference]
    """By name, in the order of A."""
    worse: tuple[str, ...]
    """Tasks in which A is worse, its interval all below zero: negative transfer, where
    B learned the tasks alone."""
    better: tuple[str, ...]
    """Tasks in which A is better, its interval all above zero."""
    left_out: tuple[str, ...]
    """Tasks of A or B without a pair."""
    errors: int
    """Trials of both of which at least one ended in an error: they are no pairs."""
    only_a: int
    """Trials that B lacks."""
    only_b: int
    """Trials that A lacks."""
    differing: tuple[str, ...]
    """Conditions, versions and processors that differ, a phrase each."""
    confidence: float
    """Of all intervals; the tests' level is what is left of it."""
    resamples: int
    """Of the bootstrap."""
    seed: int
    """Of the bootstrap."""


def compare(
    a: Results | Path | str,
    b: Results | Path | str,
    *,
    across: bool = False,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    out: Path | str | None = None,
) -> Comparison:
    """How two evaluations differ on the trials they share.

    Args:
        a: An evaluation, or its folder.
        b: What it is compared with; differences are A less B.
        across: Whether they may be of different conditions, such as horizons.
        confidence: Of all intervals; the tests' level is what is left of it.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
        out: Folder for ``comparison.json``; nothing is written by default.

    Raises:
        ValueError: If a folder holds no evaluation, conditions differ without
            ``across``, there is no pair, or the confidence is no share.
    """
    check_confidence(confidence)
    first, second = read(a), read(b)
    pairing = pair(first, second, across=across)
    tallies = list(pairing.tallies.values())
    everything = total(tallies)
    tasks = _tasks(pairing.tallies, confidence)
    found = Comparison(
        a=first.setting.agent,
        b=second.setting.agent,
        suite=first.setting.suite,
        success_a=fmean(tally.success_a for tally in tallies),
        success_b=fmean(tally.success_b for tally in tallies),
        difference=fmean(tally.difference for tally in tallies),
        interval=mean_difference_interval(
            tallies, confidence=confidence, resamples=resamples, seed=seed
        ),
        tally=everything,
        p_value=mcnemar(everything),
        more_to_settle=_more(everything, round(1 - confidence, 12)),
        tasks=tasks,
        worse=tuple(name for name in tasks if tasks[name].interval.high < 0),
        better=tuple(name for name in tasks if tasks[name].interval.low > 0),
        left_out=pairing.left_out,
        errors=pairing.errors,
        only_a=pairing.only_a,
        only_b=pairing.only_b,
        differing=pairing.differing,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    if out is not None:
        write_comparison(Path(out), "paired", found)
    return found


def write_comparison(folder: Path, kind: str, found: Any) -> None:
    """Writes what a comparison found to ``comparison.json``, whole or not at all.

    Args:
        folder: Made if missing.
        kind: ``paired``, ``seeds`` or ``sequential``.
        found: A dataclass.
    """
    write_json(folder / COMPARISON, {"format": 1, "kind": kind, **plain(found)})


def read(evaluation: Results | Path | str) -> Results:
    """The evaluation, read from its folder if that is given."""
    if isinstance(evaluation, Results):
        return evaluation
    return Results.read(evaluation)


def check_confidence(confidence: float) -> None:
    """Refuses what is no share.

    Raises:
        ValueError: If it is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(
            f"confidence is {confidence}; give a share between 0 and 1, such as 0.95."
        )


def _tasks(
    tallies: Mapping[str, Tally], confidence: float
) -> dict[str, TaskDifference]:
    p_values = {name: mcnemar(tally) for name, tally in tallies.items()}
    corrected = holm(p_values)
    return {
        name: TaskDifference(
            tally=tally,
            difference=tally.difference,
            interval=difference_interval(tally, confidence),
            p_value=p_values[name],
            holm=corrected[name],
        )
        for name, tally in tallies.items()
    }


def _more(tally: Tally, alpha: float) -> int | None:
    return 0 if mcnemar(tally) < alpha else more_to_settle(tally, alpha=alpha)
