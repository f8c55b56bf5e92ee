"""One page that shows a multi-task experiment: self-contained, without network."""

from collections.abc import Mapping
from typing import Any

from robomtl.evaluation.figures import counted
from robomtl.experiments import facts
from robomtl.pages.flat import flat
from robomtl.pages.rendering import rendered
from robomtl.sharing.affinity_chart import affinity_picture
from robomtl.sharing.charts import arms_chart, task_charts
from robomtl.sharing.findings import Findings
from robomtl.sharing.matrices import (
    cost_matrix,
    difference_matrix,
    equal_matrix,
    success_matrix,
    task_matrices,
)


def page(found: Findings, *, asked: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        found: What to show.
        asked: What was to be found out, as plain data.
        about: How the experiment was made, as in ``results.json``.
    """
    return rendered(
        "robomtl.sharing",
        "report.html",
        found=found,
        sentence=_sentence(found),
        crossovers=_crossovers(found),
        losses=named_tasks(found.losses),
        gains=named_tasks(found.gains),
        success=arms_chart(found),
        successes=success_matrix(found),
        differences=difference_matrix(found),
        charts=task_charts(found),
        tasks=task_matrices(found),
        affinities={k: affinity_picture(each) for k, each in found.affinity.items()},
        equal=equal_matrix(found),
        cost=cost_matrix(found),
        reasons=_reasons(found),
        data=_data(found),
        made=facts.made(
            {**about, "demonstrations": ", ".join(about["demonstrations"])},
            ("demonstrations", "processor", "workers"),
        ),
        settings=facts.asked(
            {**asked, "tasks": found.tasks}, leave=("arms", "settings")
        ),
        config=_config(found),
    )


def _sentence(found: Findings) -> str:
    """What was compared."""
    return (
        f"{counted(len(found.tasks), 'task')} learned together and alone:"
        f" {counted(len(found.arms), 'arm')}, each from"
        f" {counted(len(found.seeds), 'seed')} of training, with"
        f" {', '.join(map(str, found.demonstrations))} demonstrations and"
        f" {counted(found.trials, 'trial')} of every task."
    )


def _crossovers(found: Findings) -> list[tuple[str, str]]:
    """Of each arm, where it stops paying, in words."""
    return [(label, each.sentence) for label, each in found.crossover.items()]


def named_tasks(
    tasks: Mapping[str, Mapping[str, tuple[int, ...]]],
) -> list[tuple[str, int, str]]:
    """Of each arm with any, how many tasks, and which, with their demonstrations."""
    return [
        (
            label,
            len(some),
            ", ".join(f"{k} (N = {', '.join(map(str, n))})" for k, n in some.items()),
        )
        for label, some in tasks.items()
        if some
    ]


def _reasons(found: Findings) -> list[tuple[str, str, int]]:
    """Arms, why trainings diverged, and how many; most frequent first."""
    every = [
        (label, reason, number)
        for label, some in found.reasons.items()
        for reason, number in some.items()
    ]
    return sorted(every, key=lambda each: -each[2])


def _data(found: Findings) -> facts.Pairs:
    """Hashes of what every arm read."""
    return [
        (f"{task}, first {count}", digest)
        for count, tasks in found.data.items()
        for task, digest in tasks.items()
    ]


def _config(found: Findings) -> facts.Pairs:
    """Everything each arm is."""
    arms = {
        label: {
            "base": each.base,
            "policy": each.policy,
            "policy_config": each.policy_config,
            "conditioning": each.conditioning,
            "training": each.training,
        }
        for label, each in found.definitions.items()
    }
    return [(name, facts.text(text)) for name, text in flat(arms)]
