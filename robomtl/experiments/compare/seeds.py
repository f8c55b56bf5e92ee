"""Comparison of two methods over several seeds of training each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from robomtl.arguments import checked
from robomtl.errors import InputError
from robomtl.evaluation.results import Results
from robomtl.experiments.compare.compare_findings import SeedComparison
from robomtl.experiments.compare.comparison import (
    check_confidence,
    read,
    write_comparison,
)
from robomtl.experiments.compare.goal_warnings import goal_warnings
from robomtl.experiments.compare.pairing import check_conditions
from robomtl.experiments.compare.seeds_report import seeds_report
from robomtl.experiments.crossed import Scores
from robomtl.experiments.scores import Where, scores_of
from robomtl.experiments.seed_estimates import (
    improvement_estimate,
    iqm_difference,
    iqm_estimate,
    mean_estimate,
)
from robomtl.files.paths import located

Evaluation = Results | Path | str


@checked
def compare_seeds(
    a: Sequence[Evaluation],
    b: Sequence[Evaluation],
    *,
    across: bool = False,
    confidence: float = 0.95,
    out: Path | str | None = None,
) -> SeedComparison:
    """Compares two methods over seeds of training.

    Args:
        a: Evaluations of A, or their folders, one for each seed of training.
        b: Evaluations of B, or their folders.
        across: Whether conditions and trials may differ.
        confidence: Confidence of all intervals.
        out: Folder for ``comparison.json`` and ``comparison.html``; nothing is written
            by default.

    Raises:
        ValueError: If A or B has fewer than 2 seeds, a seed is given twice, conditions
            or trials differ without ``across``, or no task has outcomes in all.
    """
    check_confidence(confidence)
    every = _evaluations(a, b)
    differing = check_conditions(every, across=across)
    if not across:
        _check_trials(every)
    tasks = _tasks(list(every.values()))
    of_a, of_b = ([every[name] for name in every if name[0] == side] for side in "AB")
    scores_a, scores_b = _scores(of_a, tasks), _scores(of_b, tasks)
    found = SeedComparison(
        a=tuple(results.setting.agent for results in of_a),
        b=tuple(results.setting.agent for results in of_b),
        suite=of_a[0].setting.suite,
        tasks=tasks,
        left_out=_left_out([*of_a, *of_b], tasks),
        errors=sum(results.summary.everything.errors for results in every.values()),
        mean_a=mean_estimate(scores_a, confidence),
        mean_b=mean_estimate(scores_b, confidence),
        iqm_a=iqm_estimate(scores_a, confidence),
        iqm_b=iqm_estimate(scores_b, confidence),
        difference=iqm_difference(scores_a, scores_b, confidence),
        improvement=improvement_estimate(scores_a, scores_b, confidence),
        differing=differing,
        goal_warnings=goal_warnings(every.values()),
        confidence=confidence,
    )
    if out is not None:
        write_comparison(located(out), "seeds", found, seeds_report(found))
    return found


def _evaluations(
    a: Sequence[Evaluation], b: Sequence[Evaluation]
) -> dict[str, Results]:
    """Evaluations by their names in messages: A1, A2, ... and B1, B2, ..."""
    if min(len(a), len(b)) < 2:
        raise InputError(
            f"Seeds of A: {len(a)}, of B: {len(b)}. Give at least 2 of each, and 5 or"
            " more for a claim; two single agents are compared by their trials."
        )
    sides = {"A": a, "B": b}
    every = {
        f"{side}{number}": read(evaluation)
        for side, evaluations in sides.items()
        for number, evaluation in enumerate(evaluations, start=1)
    }
    seen: dict[str, str] = {}
    for name, results in every.items():
        other = seen.setdefault(results.setting.fingerprint, name)
        if other != name:
            raise InputError(
                f"{other} and {name} are the same agent; each seed counts once, and"
                " further trials of an agent are not further seeds."
            )
    return every


def _check_trials(evaluations: Mapping[str, Results]) -> None:
    first, *others = evaluations
    for name in others:
        if differ := len(_trials(evaluations[first]) ^ _trials(evaluations[name])):
            raise InputError(
                f"{first} and {name} differ in {differ} trials; evaluate all seeds on the"
                " same trials, or request a comparison across conditions (--across)."
            )


def _trials(results: Results) -> set[tuple[str, int, int]]:
    return {(row.task, row.variation, row.repeat) for row in results.records}


def _tasks(evaluations: Sequence[Results]) -> tuple[str, ...]:
    tasks = tuple(
        name
        for name in evaluations[0].tasks
        if all(name in each.tasks and each.tasks[name].trials for each in evaluations)
    )
    if not tasks:
        raise InputError("No task has an outcome in all evaluations.")
    return tasks


def _left_out(evaluations: Sequence[Results], tasks: Sequence[str]) -> tuple[str, ...]:
    names = dict.fromkeys(name for results in evaluations for name in results.tasks)
    return tuple(name for name in names if name not in tasks)


def _scores(some: Sequence[Results], tasks: Sequence[str]) -> dict[str, Scores]:
    """Success in the trials of each task; (seed, 1, 1, trial)."""
    rows: dict[str, list[tuple[Where, bool | None]]] = {name: [] for name in tasks}
    for seed, results in enumerate(some):
        for record in results.records:
            if record.task in rows:
                where = Where(seed, 0, 0, (record.variation, record.repeat))
                solved = record.solved(results.setting.criterion)
                rows[record.task].append((where, solved))
    return {name: scores_of(each) for name, each in rows.items()}
