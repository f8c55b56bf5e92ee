"""The tables on the page of a multi-task experiment."""

from collections.abc import Mapping, Sequence

from robomtl.evaluation.figures import change, points
from robomtl.experiments.entries import NONE, difference, estimate, rate, seconds
from robomtl.experiments.findings import Difference
from robomtl.pages.matrix import Entry, Line, Matrix
from robomtl.sharing.charts import styles
from robomtl.sharing.findings import Definition, Findings


def success_matrix(found: Findings) -> Matrix:
    """Mean success over tasks by demonstrations, and the area under it."""
    entries = {
        label: [
            *(rate(some[n]) if n in some else NONE for n in found.demonstrations),
            *([estimate(found.area.get(label))] if found.area else []),
        ]
        for label, some in found.arms.items()
    }
    heads = [*_heads(found), *(["nAUC"] if found.area else [])]
    return _of_arms(found, heads, entries)


def difference_matrix(found: Findings) -> Matrix | None:
    """Success less that of the baseline, and where the arm stops paying."""
    entries = {
        label: [
            *(difference(some.get(n)) for n in found.demonstrations),
            _crossing(found, label),
        ]
        for label, some in found.differences.items()
    }
    heads = [*_heads(found), "crossover"]
    return _of_arms(found, heads, entries) if entries else None


def task_matrices(found: Findings) -> dict[str, Matrix]:
    """By arm, the same for each task."""
    return {
        label: Matrix(
            head="task",
            columns=_heads(found),
            lines=[
                Line(
                    name=task,
                    style=None,
                    entries=[
                        _change(some[n], task) if n in some else NONE
                        for n in found.demonstrations
                    ],
                )
                for task in found.tasks
            ],
        )
        for label, some in found.differences.items()
    }


def equal_matrix(found: Findings) -> Matrix:
    """What is equal in all arms, and their parameters."""
    heads = [
        "policies",
        "parameters of each",
        "of all",
        "steps of each",
        "batch",
        "samples a task",
    ]
    return _of_arms(
        found,
        heads,
        {label: _equal(each) for label, each in found.definitions.items()},
    )


def cost_matrix(found: Findings) -> Matrix | None:
    """What the trainings of one seed take; None if all diverged."""
    entries = {}
    for label, some in found.cost.items():
        if some:
            any_ = next(iter(some.values()))
            entries[label] = [
                *(
                    Entry(seconds(some[n].seconds if n in some else None))
                    for n in found.demonstrations
                ),
                Entry(f"{any_.steps:,.0f}"),
                Entry(f"{any_.samples:,.0f}"),
                Entry(f"{any_.parameters:,.0f}"),
            ]
    heads = [f"s at {head}" for head in _heads(found)]
    heads += ["steps", "samples", "parameters"]
    return _of_arms(found, heads, entries) if entries else None


def _heads(found: Findings) -> list[str]:
    return [f"N = {count}" for count in found.demonstrations]


def _of_arms(
    found: Findings, heads: Sequence[str], entries: Mapping[str, Sequence[Entry]]
) -> Matrix:
    look = styles(found)
    lines = [
        Line(name=label, style=look[label], entries=some, note=_note(found, label))
        for label, some in entries.items()
    ]
    return Matrix(head="arm", columns=heads, lines=lines)


def _note(found: Findings, label: str) -> str:
    """What a label does not say of its arm."""
    base = found.definitions[label].base
    return "" if base == label else base


def _crossing(found: Findings, label: str) -> Entry:
    at = found.crossover[label].changes_sign
    if at is None:
        return Entry(f"none up to {found.crossover[label].most}")
    fewest = found.demonstrations[0]
    return Entry(f"≤ {fewest}" if at <= fewest else f"{at:.3g}", "demonstrations")


def _change(found: Difference, task: str) -> Entry:
    if task not in found.tasks:
        return NONE
    each = found.tasks[task]
    warning = "worse" if task in found.worse else ""
    return Entry(points(each.value), change(each.interval), warning)


def _equal(each: Definition) -> list[Entry]:
    numbers = (
        each.networks,
        each.parameters,
        each.parameters_total,
        each.steps,
        each.batch,
        each.samples_per_task,
    )
    return [Entry(f"{number:,}") for number in numbers]
