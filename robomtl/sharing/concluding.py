"""From tables of trials and trainings to what they say of arms."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from robomtl.comparison.aggregates import Estimate
from robomtl.experiments.concluding import (
    CONFIDENCE,
    Curve,
    area_of,
    curve_of,
    differences_of,
    success_of,
)
from robomtl.experiments.findings import Difference
from robomtl.experiments.scores import Where, scores_of
from robomtl.request import plain
from robomtl.sharing.affinity import Measured, affinity_of
from robomtl.sharing.crossover import crossover
from robomtl.sharing.findings import Definition, Findings, Took
from robomtl.sharing.learning import Material
from robomtl.sharing.rows import CellRow, TrialRow

Tried = Mapping[str, Curve]
"""Success of trials by label, number of demonstrations and task."""


def findings_of(
    material: Material,
    trials: Sequence[TrialRow],
    cells: Sequence[CellRow],
    measured: Mapping[str, Sequence[Measured]],
) -> Findings:
    """What the tables of an experiment say.

    Args:
        material: Suite and arms.
        trials: A row for each trial.
        cells: A row for each policy.
        measured: Affinities of each training, by label; see ``affinity_of``.
    """
    asked, every = material.asked, _tried(trials)
    tried = {label: every[label] for label in material.arms}  # In the order asked for.
    affinities = {label: affinity_of(some) for label, some in measured.items()}
    differences = _differences(tried, asked.baseline)
    return Findings(
        suite=material.suite.name,
        tasks=material.tasks,
        seeds=tuple(range(asked.seeds)),
        demonstrations=tuple(sorted(asked.demonstrations)),
        trials=asked.trials,
        confidence=CONFIDENCE,
        baseline=asked.baseline,
        arms={
            label: {count: success_of(tasks) for count, tasks in some.items()}
            for label, some in tried.items()
        },
        definitions={label: _definition(material, label) for label in material.arms},
        area=_areas(tried),
        differences=differences,
        gains={
            label: _where_told({k: each.better for k, each in some.items()})
            for label, some in differences.items()
        },
        losses={
            label: _where_told({k: each.worse for k, each in some.items()})
            for label, some in differences.items()
        },
        crossover={label: crossover(some) for label, some in differences.items()},
        affinity={label: each for label, each in affinities.items() if each},
        cost={label: _cost(label, cells) for label in material.arms},
        reasons={
            label: Counter(row.error for row in cells if row.arm == label and row.error)
            for label in material.arms
        },
        data=material.hashes,
    )


def _tried(rows: Sequence[TrialRow]) -> Tried:
    found: dict[str, dict[int, dict[str, list[TrialRow]]]] = {}
    for row in rows:
        counts = found.setdefault(row.arm, {})
        counts.setdefault(row.demonstrations, {}).setdefault(row.task, []).append(row)
    return {
        label: {
            count: {task: scores_of(some, _where) for task, some in tasks.items()}
            for count, tasks in sorted(counts.items())
        }
        for label, counts in found.items()
    }


def _where(row: TrialRow) -> Where:
    return Where(row.seed, 0, 0, (row.variation, row.repeat))


def _differences(
    tried: Tried, baseline: str | None
) -> dict[str, dict[int, Difference]]:
    """Success less that of the baseline, where both have outcomes."""
    theirs = tried.get(baseline, {}) if baseline else {}
    found = {
        label: differences_of(
            {n: (tasks, theirs[n]) for n, tasks in some.items() if n in theirs}
        )
        for label, some in tried.items()
        if label != baseline
    }
    return {label: some for label, some in found.items() if some}


def _where_told(tasks: Mapping[int, Sequence[str]]) -> dict[str, tuple[int, ...]]:
    """By task, the numbers of demonstrations at which it is named."""
    names = dict.fromkeys(name for some in tasks.values() for name in some)
    return {
        name: tuple(count for count, some in tasks.items() if name in some)
        for name in names
    }


def _areas(tried: Tried) -> dict[str, Estimate]:
    found = {label: area_of(curve_of(some)) for label, some in tried.items()}
    return {label: each for label, each in found.items() if each}


def _definition(material: Material, label: str) -> Definition:
    arm, size, asked = material.arms[label], material.sizes[label], material.asked
    learned = len(material.tasks) if arm.learned == "together" else 1
    unequal = ("steps", "batch", "seed")  # They stand beside, or differ by policy.
    return Definition(
        base=arm.base,
        learned=arm.learned,
        policy=arm.policy,
        policy_config=size.policy_config,
        conditioning=arm.conditioning,
        training={k: v for k, v in plain(arm.training).items() if k not in unequal},
        networks=size.networks,
        parameters=size.each,
        parameters_total=size.total,
        steps=asked.steps,
        batch=asked.samples * learned,
        samples_per_task=asked.steps * asked.samples,
    )


def _cost(label: str, cells: Sequence[CellRow]) -> dict[int, Took]:
    """By number of demonstrations; of seeds in which no training diverged."""
    found: dict[int, dict[int, list[CellRow]]] = {}
    for row in cells:
        if row.arm == label:
            seeds = found.setdefault(row.demonstrations, {})
            seeds.setdefault(row.seed, []).append(row)
    whole = {
        count: [some for some in seeds.values() if not any(r.error for r in some)]
        for count, seeds in sorted(found.items())
    }
    return {count: _took(seeds) for count, seeds in whole.items() if seeds}


def _took(seeds: Sequence[Sequence[CellRow]]) -> Took:
    return Took(
        seconds=median(sum(row.seconds or 0.0 for row in some) for some in seeds),
        steps=median(sum(row.steps or 0 for row in some) for some in seeds),
        samples=median(sum(row.samples or 0 for row in some) for some in seeds),
        parameters=median(sum(row.parameters or 0 for row in some) for some in seeds),
    )
