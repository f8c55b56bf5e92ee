"""Findings of a multi-task experiment: success, differences and affinities."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from robomtl.cost import Cost
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.analysis import (
    CONFIDENCE,
    Curve,
    area_of,
    curve_of,
    differences_of,
    success_of,
)
from robomtl.experiments.cells import Finished, reasons_of, rows_of
from robomtl.experiments.crossed import Scores
from robomtl.experiments.findings import (
    Difference,
    Success,
    Took,
    counts_by_task,
    took_of,
)
from robomtl.experiments.multitask.affinities import Affinity, Measured, affinity_of
from robomtl.experiments.multitask.arm_cells import ArmCell, groups_of
from robomtl.experiments.multitask.arm_design import suite_of
from robomtl.experiments.multitask.crossover import Crossover, crossover
from robomtl.experiments.multitask.learning import Shared
from robomtl.experiments.multitask.mixtures import Mixtures, mixtures_of
from robomtl.experiments.scores import Where, scores_by
from robomtl.files.folder_kinds import JOURNAL
from robomtl.files.request import plain
from robomtl.files.untrusted import converted
from robomtl.joint import JointSuite
from robomtl.task import Suite


@dataclass(frozen=True, kw_only=True)
class Definition:
    """Definition of an arm, with its numbers of parameters, steps and samples."""

    base: str
    """Name of the arm in ``BASES``."""
    learned: str
    """Tasks of a policy: ``together``, ``apart`` or ``alone``; see ``Arm``."""
    policy: str
    policy_config: Mapping[str, Any]
    """Fields that differ from the defaults, including widths that were divided."""
    conditioning: tuple[str, ...]
    training: Mapping[str, Any]
    networks: int
    """Number of policies for one seed and one number of demonstrations."""
    parameters: int
    """Parameters of each policy."""
    parameters_total: int
    """Parameters of all policies together."""
    steps: int
    """Gradient steps of each policy."""
    batch: int
    """Samples in a gradient step of each policy."""
    samples_per_task: int
    """Gradient samples of each task."""


@dataclass(frozen=True, kw_only=True)
class MultitaskFindings:
    """Findings on all arms of a multi-task experiment."""

    format: int = 1
    """Version of ``results.json``; raised when the meaning of a field changes."""
    suite: str
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    demonstrations: tuple[int, ...]
    trials: int
    """Trials of each task."""
    confidence: float
    baseline: str | None
    """Label of the arm that the others are compared with; None if there is none."""
    arms: Mapping[str, Mapping[int, Success]]
    """Success by label and number of demonstrations."""
    definitions: Mapping[str, Definition]
    """Definitions of the arms by label."""
    area: Mapping[str, Estimate]
    """Area under success against the logarithm of the demonstrations, by label, for arms
    with more than one number of demonstrations."""
    differences: Mapping[str, Mapping[int, Difference]]
    """Success minus that of the baseline, by label and number of demonstrations."""
    suites: Mapping[str, Mapping[str, Mapping[int, Difference]]] = field(
        default_factory=dict
    )
    """Differences on the tasks of each suite of a joint suite, by name of the suite."""
    gains: Mapping[str, Mapping[str, tuple[int, ...]]]
    """Numbers of demonstrations at which an arm is significantly better, by label and
    task; see the function ``differences_of``."""
    losses: Mapping[str, Mapping[str, tuple[int, ...]]]
    """Numbers of demonstrations at which an arm is significantly worse, by label and task:
    negative transfer."""
    crossover: Mapping[str, Crossover]
    """Crossovers by label, for arms that are compared with the baseline."""
    affinity: Mapping[str, Affinity]
    """Affinities of tasks by label, for arms that learn them together; see the field of
    this name in ``MultitaskRequest``."""
    mixture: Mixtures = field(default_factory=dict)
    """Factors of tasks' sampling frequencies, for arms that learned a mixture."""
    cost: Mapping[str, Mapping[int, Took]]
    """Costs by label and number of demonstrations."""
    reasons: Mapping[str, Mapping[str, int]]
    """Number of failed trainings by label and reason."""
    data: Mapping[int, Mapping[str, str]]
    """sha256 of the demonstrations of every arm, by number of demonstrations and task."""


Tried = Mapping[str, Curve]
"""Scores by label, number of demonstrations and task."""


def findings_of(
    shared: Shared, finished: Sequence[Finished[ArmCell]]
) -> MultitaskFindings:
    """The findings of finished cells.

    Args:
        shared: Suite and arms.
        finished: Policies and the outcomes of their trials.

    Raises:
        InputError: If affinities in the journal are invalid.
    """
    request, every = shared.request, _tried(finished)
    tried = {label: every[label] for label in shared.arms}  # In the requested order.
    differences = _differences(tried, request.baseline)
    return MultitaskFindings(
        suite=shared.suite.name,
        tasks=shared.target,
        seeds=tuple(range(request.seeds)),
        demonstrations=tuple(sorted(request.demonstrations)),
        trials=request.trials,
        confidence=CONFIDENCE,
        baseline=request.baseline,
        arms={
            label: {count: success_of(tasks) for count, tasks in some.items()}
            for label, some in tried.items()
        },
        definitions={label: _definition(shared, label) for label in shared.arms},
        area=_areas(tried),
        differences=differences,
        suites={
            name: _differences(some, request.baseline)
            for name, some in _by_suite(shared.suite, tried).items()
        },
        gains={
            label: counts_by_task({k: each.better for k, each in some.items()})
            for label, some in differences.items()
        },
        losses={
            label: counts_by_task({k: each.worse for k, each in some.items()})
            for label, some in differences.items()
        },
        crossover={label: crossover(some) for label, some in differences.items()},
        affinity=_affinities(finished),
        mixture=mixtures_of([cell for cell, _ in finished], shared.runs),
        cost={label: _cost(label, finished) for label in shared.arms},
        reasons={
            label: reasons_of(each for each in finished if each.cell.arm == label)
            for label in shared.arms
        },
        data=shared.hashes,
    )


def _tried(finished: Sequence[Finished[ArmCell]]) -> Tried:
    tried: dict[str, dict[int, Mapping[str, Scores]]] = {}
    by_arm = scores_by(
        rows_of(finished),
        lambda row: (row.cell.demonstrations, row.cell.arm),
        lambda row: Where(row.cell.seed, 0, 0, row.start),
    )
    for (count, label), tasks in sorted(by_arm.items()):
        tried.setdefault(label, {})[count] = tasks
    return tried


def _differences(
    tried: Tried, baseline: str | None
) -> dict[str, dict[int, Difference]]:
    """Success minus that of the baseline, where both have outcomes."""
    theirs = tried.get(baseline, {}) if baseline else {}
    by_label = {
        label: differences_of(
            {n: (tasks, theirs[n]) for n, tasks in some.items() if n in theirs}
        )
        for label, some in tried.items()
        if label != baseline
    }
    return {label: some for label, some in by_label.items() if some}


def _by_suite(suite: Suite, tried: Tried) -> dict[str, Tried]:
    """Scores in each suite of a joint suite, by its name; empty for any other suite."""
    suites = suite.suites if isinstance(suite, JointSuite) else ()
    return {
        each.name: {
            label: {
                count: {
                    t: it for t, it in tasks.items() if suite_of(suite, t) == each.name
                }
                for count, tasks in some.items()
            }
            for label, some in tried.items()
        }
        for each in suites
    }


def _areas(tried: Tried) -> dict[str, Estimate]:
    areas = {label: area_of(curve_of(some)) for label, some in tried.items()}
    return {label: each for label, each in areas.items() if each}


def _affinities(finished: Iterable[Finished[ArmCell]]) -> dict[str, Affinity]:
    """Mean affinity over the trainings of each arm, where it was measured."""
    measured: dict[str, list[Measured]] = {}
    for cell, done in finished:
        if done.measured:
            where = f"{JOURNAL}, {cell.name}"
            each = converted(done.measured, Measured, where=where)
            measured.setdefault(cell.arm, []).append(each)
    means = {label: affinity_of(some) for label, some in measured.items()}
    return {label: mean for label, mean in means.items() if mean}


def _definition(shared: Shared, label: str) -> Definition:
    arm, size, request = shared.arms[label], shared.sizes[label], shared.request
    groups = groups_of(arm, shared.suite, shared.tasks, shared.target)
    left_out = ("steps", "batch_size", "seed")  # Own fields, or different per policy.
    return Definition(
        base=arm.base,
        learned=arm.learned,
        policy=arm.policy,
        policy_config=size.policy_config,
        conditioning=arm.conditioning,
        training={k: v for k, v in plain(arm.training).items() if k not in left_out},
        networks=size.networks,
        parameters=size.each,
        parameters_total=size.total,
        steps=request.steps,
        batch=request.samples * max(map(len, groups)),
        samples_per_task=request.steps * request.samples,
    )


def _cost(label: str, finished: Iterable[Finished[ArmCell]]) -> dict[int, Took]:
    """Costs by number of demonstrations: medians over seeds of all policies' total.

    Seeds in which a training diverged, and so has no cost, are left out.
    """
    costs: dict[int, dict[int, list[Cost | None]]] = {}
    for cell, done in finished:
        if cell.arm == label:
            seeds = costs.setdefault(cell.demonstrations, {})
            seeds.setdefault(cell.seed, []).append(done.cost)
    whole = {
        count: [[c for c in some if c] for some in seeds.values() if all(some)]
        for count, seeds in sorted(costs.items())
    }
    return {count: _took(seeds) for count, seeds in whole.items() if seeds}


def _took(seeds: Sequence[Sequence[Cost]]) -> Took:
    names = ("seconds", "steps", "samples", "parameters")
    sums = [
        Cost(**{name: sum(getattr(cost, name) for cost in some) for name in names})
        for some in seeds
    ]
    act = [cost.act for some in seeds for cost in some if cost.act is not None]
    return replace(took_of(sums), act=median(act) if act else None)
