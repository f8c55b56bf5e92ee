"""Paired comparison of two evaluations on the trials they share."""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from robomtl.arguments import checked
from robomtl.errors import InputError
from robomtl.evaluation.results import Results
from robomtl.experiments.compare.compare_findings import Comparison, TaskDifference
from robomtl.experiments.compare.compare_report import paired_report
from robomtl.experiments.compare.goal_warnings import goal_warnings
from robomtl.experiments.compare.pairing import pair
from robomtl.experiments.paired import (
    Tally,
    difference_interval,
    holm,
    mcnemar,
    mean_difference_interval,
    total,
)
from robomtl.experiments.power import more_to_settle
from robomtl.experiments.report import Report
from robomtl.files.durable import write_json, write_text
from robomtl.files.paths import located
from robomtl.files.request import plain
from robomtl.pages.rendering import report_page

COMPARISON = "comparison.json"
PAGE = "comparison.html"


@checked
def compare(
    a: Results | Path | str,
    b: Results | Path | str,
    *,
    across: bool = False,
    confidence: float = 0.95,
    out: Path | str | None = None,
) -> Comparison:
    """Compares two evaluations on the trials they share.

    Args:
        a: An evaluation, or its folder.
        b: The evaluation to compare it with, or its folder; differences are A minus B.
        across: Whether conditions may differ, such as horizons.
        confidence: Confidence of all intervals; tests have the level 1 - confidence.
        out: Folder for ``comparison.json`` and ``comparison.html``; nothing is written
            by default.

    Raises:
        ValueError: If a folder has no evaluation or is given twice, conditions differ
            without ``across``, there is no pair, or the confidence is not between 0 and
            1.
    """
    check_confidence(confidence)
    _check_two(a, b)
    first, second = read(a), read(b)
    pairing = pair(first, second, across=across)
    tallies = list(pairing.tallies.values())
    everything = total(tallies)
    alpha, p_value = round(1 - confidence, 12), mcnemar(everything)
    tasks = task_differences(pairing.tallies, confidence)
    significant = [name for name in tasks if tasks[name].holm < alpha]
    found = Comparison(
        a=first.setting.agent,
        b=second.setting.agent,
        suite=first.setting.suite,
        success_a=fmean(tally.success_a for tally in tallies),
        success_b=fmean(tally.success_b for tally in tallies),
        difference=fmean(tally.difference for tally in tallies),
        interval=mean_difference_interval(tallies, confidence=confidence),
        tally=everything,
        p_value=p_value,
        more_to_settle=(
            0 if p_value < alpha else more_to_settle(everything, alpha=alpha)
        ),
        tasks=tasks,
        worse=tuple(name for name in significant if tasks[name].difference < 0),
        better=tuple(name for name in significant if tasks[name].difference > 0),
        left_out=pairing.left_out,
        errors=pairing.errors,
        only_a=pairing.only_a,
        only_b=pairing.only_b,
        differing=pairing.differing,
        goal_warnings=goal_warnings([first, second]),
        confidence=confidence,
    )
    if out is not None:
        shown = paired_report(found, pairing.pairs)
        write_comparison(located(out), "paired", found, shown)
    return found


def _check_two(a: Results | Path | str, b: Results | Path | str) -> None:
    """Refuses the same folder for A and B; both may be evaluations of one agent."""
    if isinstance(a, Results) or isinstance(b, Results):
        return
    if located(a).resolve() == located(b).resolve():
        read(a)  # Says so if the folder has no evaluation at all.
        raise InputError(
            f"A and B are both the evaluation in {a}, which does not differ from itself;"
            " give two."
        )


def read(evaluation: Results | Path | str) -> Results:
    """The results of an evaluation, read from its folder if a path is given."""
    if isinstance(evaluation, Results):
        return evaluation
    return Results.read(evaluation)


def check_confidence(confidence: float) -> None:
    """Checks a confidence.

    Raises:
        ValueError: If it is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise InputError(
            f"confidence is {confidence}; give a fraction between 0 and 1, such as 0.95."
        )


def task_differences(
    tallies: Mapping[str, Tally], confidence: float = 0.95
) -> dict[str, TaskDifference]:
    """Difference of A and B in each task, by its name."""
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


def write_comparison(folder: Path, kind: str, findings: Any, shown: Report) -> None:
    """Writes the findings and the page of a comparison, each file atomically.

    Args:
        folder: Output folder; made if missing.
        kind: ``paired``, ``seeds`` or ``sequential``.
        findings: Findings for ``comparison.json``, a dataclass.
        shown: Report for ``comparison.html``.
    """
    write_json(folder / COMPARISON, {"format": 1, "kind": kind, **plain(findings)})
    write_text(folder / PAGE, report_page(shown))
