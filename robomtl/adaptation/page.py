"""One page that shows a comparison of methods: self-contained, without network."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from robomtl.adaptation.charts import shots_chart, steps_chart, styles, task_charts
from robomtl.adaptation.findings import Findings
from robomtl.adaptation.matrices import (
    cost_matrix,
    difference_matrix,
    steps_matrix,
    success_matrix,
    task_matrices,
)
from robomtl.evaluation.figures import counted
from robomtl.evaluation.statistics import Interval
from robomtl.experiments import facts
from robomtl.experiments.findings import Difference
from robomtl.pages.flat import flat
from robomtl.pages.lines import Style
from robomtl.pages.rendering import rendered

_BENCHMARKS = {
    "transfer": "tasks that training never saw, with visible goals",
    "infer": "goals that only the demonstrations show",
}
_CONTROLS = {
    "wrong_task": "of another task",
    "wrong_variation": "of another goal",
    "shuffled_actions": "with shuffled actions",
}
_ABOUT = ("run", "support", "prior", "processor", "workers")


class _Bar(NamedTuple):
    """A rate under one of two conditions."""

    method: str
    """Empty where it is that of the bar above."""
    style: Style
    condition: str
    rate: float | None
    interval: Interval | None
    change: Difference | None
    """Less that of the first condition; None for this one."""


def page(found: Findings, *, asked: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        found: What to show.
        asked: What was to be found out, as plain data.
        about: How the comparison was made, as in ``results.json``.
    """
    return rendered(
        "robomtl.adaptation",
        "report.html",
        found=found,
        sentence=_sentence(found),
        success=shots_chart(found),
        successes=success_matrix(found),
        differences=difference_matrix(found),
        negative=_negative(found),
        steps=steps_chart(found),
        by_steps=steps_matrix(found),
        charts=task_charts(found),
        tasks=task_matrices(found),
        controls=_controls(found),
        forgetting=_forgetting(found),
        cost=cost_matrix(found),
        reasons=_reasons(found),
        made=facts.made(about, _ABOUT),
        settings=_settings(found, asked),
        config=_config(found),
    )


def _sentence(found: Findings) -> str:
    """What was compared."""
    return (
        f"Benchmark {found.benchmark}: {_BENCHMARKS[found.benchmark]}."
        f" {counted(len(found.methods), 'method')} in"
        f" {counted(len(found.tasks), 'task')}, each from"
        f" {counted(len(found.seeds), 'seed')} of training,"
        f" {counted(found.supports, 'draw')} of the demonstrations and"
        f" {counted(found.trials, 'trial')} of every task."
    )


def _negative(found: Findings) -> list[str]:
    """Of each method, the tasks where it is worse than scratch, and from how many."""
    sentences = []
    for label, method in found.methods.items():
        shots: dict[str, list[str]] = {}
        for number, difference in method.against_scratch.items():
            for task in difference.worse:
                shots.setdefault(task, []).append(str(number))
        told = [f"{task} (K = {', '.join(some)})" for task, some in shots.items()]
        if told:
            sentences.append(f"{label} in {', '.join(told)}")
    return sentences


def _controls(found: Findings) -> list[_Bar]:
    """Success from right supports, then from wrong ones, method by method."""
    bars = []
    look = styles(found)
    for label, method in found.methods.items():
        right = method.shots.get(found.probe)
        if right is None or not method.controls:
            continue
        bars.append(
            _Bar(label, look[label], "right", right.task_mean, right.interval, None)
        )
        for control, under in method.controls.items():
            wrong = under.success
            told = _CONTROLS.get(control, control)
            lost = under.lost and _opposite(under.lost)
            bars.append(
                _Bar("", look[label], told, wrong.task_mean, wrong.interval, lost)
            )
    return bars


def _opposite(given: Difference) -> Difference:
    low, high = given.interval
    return Difference(
        difference=-given.difference,
        interval=Interval(-high, -low),
        holm=given.holm,
        tasks={},
        worse=given.better,
        better=given.worse,
    )


def _forgetting(found: Findings) -> list[_Bar]:
    """Success in the tasks trained on before and after adaptation, method by method."""
    bars = []
    look = styles(found)
    for label, method in found.methods.items():
        if method.forgetting is not None:
            here, seen = look[label], method.forgetting
            bars.append(_Bar(label, here, "before", seen.before, None, None))
            bars.append(_Bar("", here, "after", seen.after, None, seen.change))
    return bars


def _reasons(found: Findings) -> list[tuple[str, str, int]]:
    """Methods, why they gave up, and on how many adaptations; most frequent first."""
    every = [
        (label, reason, number)
        for label, method in found.methods.items()
        for reason, number in method.reasons.items()
    ]
    return sorted(every, key=lambda each: -each[2])


def _settings(found: Findings, asked: Mapping[str, Any]) -> facts.Pairs:
    """What was to be found out, but for the methods, with what was left open."""
    settled = {"seeds": found.seeds, "tasks": found.tasks, "probe": found.probe}
    return facts.asked({**asked, **settled}, leave=("methods", "settings"))


def _config(found: Findings) -> facts.Pairs:
    """All hyper-parameters of each method."""
    methods = {
        label: {"method": each.method, "objective": each.objective, **each.config}
        for label, each in found.methods.items()
    }
    return [(name, facts.text(text)) for name, text in flat(methods)]
