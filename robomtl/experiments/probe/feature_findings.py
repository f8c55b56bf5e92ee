"""Findings of a feature probe: coefficients of determination and retrieval rates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomtl.errors import InputError
from robomtl.evaluation.statistics import Interval
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.cells import Finished
from robomtl.experiments.probe.feature_cells import FeatureCell
from robomtl.experiments.probe.feature_measures import Errors, FeatureMeasures
from robomtl.experiments.probe.linear_probe import Numbers
from robomtl.files.folder_kinds import JOURNAL
from robomtl.files.untrusted import converted

_DRAWS = 2000  # Bootstrap resamples.


@dataclass(frozen=True, kw_only=True)
class Probed:
    """R² of the position of one body, averaged over the tasks in which it moves."""

    objective: str
    """Training objective."""
    layer: str
    """Probed layer of the policy."""
    thing: str
    """The body whose position is predicted: the hand, an object or the goal."""
    runs: int
    """Number of trainings, one per seed."""
    tasks: int
    """Number of tasks in which the body moves."""
    trained: Estimate
    """R² of the trained networks."""
    random: Estimate
    """R² of the same networks at initialisation."""
    difference: Estimate
    """Trained minus random, on the same episodes."""
    by_task: Mapping[str, float]
    """R² of the trained features in each task, mean over seeds."""


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """Fraction of instructions whose best-matching episode is of their task."""

    objective: str
    """Training objective."""
    wordings: str
    """Kind of wordings: ``training`` or ``held-out``."""
    queries: int
    """Number of wordings times number of seeds."""
    chance: float
    """Chance level: 1 / number of tasks."""
    trained: Estimate
    """Rate of the trained networks."""
    random: Estimate
    """Rate of the same networks at initialisation."""


@dataclass(frozen=True, kw_only=True)
class FeatureFindings:
    """Findings on the features of policies."""

    suite: str
    """Name of the suite of the episodes."""
    probed: tuple[Probed, ...]
    retrieved: tuple[Retrieved, ...]
    reasons: Mapping[str, str]
    """Reason for each cell without measurements, by name of the cell."""


def findings_of(
    suite: str, finished: Sequence[Finished[FeatureCell]]
) -> FeatureFindings:
    """The findings of the cells of a feature probe, by objective.

    Args:
        suite: Name of the suite.
        finished: The cells with their measurements.

    Raises:
        InputError: If runs of one objective have different layers, tasks or episodes.
    """
    measured = {
        (cell.objective, cell.seed, cell.weights): converted(
            done.measured, FeatureMeasures, where=f"{JOURNAL}, {cell.name}"
        )
        for cell, done in finished
        if done.measured is not None
    }
    objectives = {cell.objective: None for cell, _ in finished}
    probed, retrieved = list[Probed](), list[Retrieved]()
    for objective in objectives:
        pairs = [
            (each, measured[objective, seed, "random"])
            for (name, seed, weights), each in measured.items()
            if name == objective
            and weights == "trained"
            and (objective, seed, "random") in measured
        ]
        if pairs:
            _check_comparable(objective, pairs)
            probed += _probed(objective, pairs)
            retrieved += _retrieved(objective, pairs)
    return FeatureFindings(
        suite=suite,
        probed=tuple(probed),
        retrieved=tuple(retrieved),
        reasons={c.name: d.reason for c, d in finished if d.reason is not None},
    )


Pairs = Sequence[tuple[FeatureMeasures, FeatureMeasures]]
"""Measurements of the trained and the random weights, by seed."""


def _check_comparable(objective: str, pairs: Pairs) -> None:
    first, *others = (each.outline for pair in pairs for each in pair)
    if any(each != first for each in others):
        raise InputError(
            f"{JOURNAL} is damaged: the measurements of {objective} differ in layers,"
            " tasks or episodes between runs. Remove it to start again."
        )


def _probed(objective: str, pairs: Pairs) -> list[Probed]:
    return [
        _located(objective, pairs, layer, thing)
        for layer, tasks in pairs[0][0].errors.items()
        for thing in dict.fromkeys(it for some in tasks.values() for it in some)
    ]


def _located(objective: str, pairs: Pairs, layer: str, thing: str) -> Probed:
    """R² of the position of one body from one layer."""
    tasks, runs = pairs[0][0].errors[layer], len(pairs)
    named = [task for task, some in tasks.items() if thing in some]
    draws = _episode_draws(tasks, named, thing)
    seeds = np.random.default_rng(0).integers(runs, size=(_DRAWS, runs))
    trained, random = (
        np.stack([_r_squared(m.errors[layer], named, thing, draws) for m in some])
        for some in zip(*pairs, strict=True)
    )  # (run, task, 1 + draw)
    by_task = trained[:, :, 0].mean(0).tolist()
    return Probed(
        objective=objective,
        layer=layer,
        thing=thing,
        runs=runs,
        tasks=len(named),
        trained=_estimate(trained.mean(1), seeds),
        random=_estimate(random.mean(1), seeds),
        difference=_estimate((trained - random).mean(1), seeds),
        by_task=dict(zip(named, by_task, strict=True)),
    )


def _episode_draws(
    tasks: Errors, named: Sequence[str], thing: str
) -> Mapping[str, NDArray[np.int64]]:
    """Episode indices of each task: all, then bootstrap resamples; (1 + draw, episode)."""
    generator, indices = np.random.default_rng(1), {}
    for task in named:
        count = len(tasks[task][thing][0])
        drawn = generator.integers(count, size=(_DRAWS, count))
        indices[task] = np.concatenate([np.arange(count)[None], drawn])
    return indices


def _r_squared(
    errors: Errors,
    named: Sequence[str],
    thing: str,
    draws: Mapping[str, NDArray[np.int64]],
) -> Numbers:
    """R² of each task on all episodes, then on each resample; (task, 1 + draw)."""
    rows = []
    for task in named:
        residual, total = (
            np.array(each)[draws[task]].sum(1) for each in errors[task][thing]
        )
        rows.append(1 - residual / np.maximum(total, 1e-12))
    return np.stack(rows)


def _estimate(values: Numbers, seeds: NDArray[np.int64]) -> Estimate:
    """Mean over runs, with a bootstrap interval over episodes and seeds.

    Args:
        values: Values on all episodes, then on each resample; (run, 1 + draw).
        seeds: Runs of each resample; (draw, run).
    """
    drawn = np.take_along_axis(values[:, 1:].T, seeds, axis=1).mean(1)
    return Estimate(float(values[:, 0].mean()), _interval(drawn))


def _retrieved(objective: str, pairs: Pairs) -> list[Retrieved]:
    found, tasks = [], len(next(iter(pairs[0][0].errors.values())))
    for kind in pairs[0][0].hits:
        trained, random = (
            np.array([each.hits[kind] for each in some], float)
            for some in zip(*pairs, strict=True)
        )  # (run, text, gallery)
        found.append(
            Retrieved(
                objective=objective,
                wordings=kind,
                queries=int(np.prod(trained.shape[:2])),
                chance=1 / tasks,
                trained=_hit_rate(trained),
                random=_hit_rate(random),
            )
        )
    return found


def _hit_rate(hits: Numbers) -> Estimate:
    """Hit rate, with a bootstrap interval over runs, wordings and galleries."""
    generator = np.random.default_rng(2)
    rates = []
    for _ in range(_DRAWS):
        indices = (generator.integers(size, size=size) for size in hits.shape)
        rates.append(hits[np.ix_(*indices)].mean())
    return Estimate(float(hits.mean()), _interval(rates))


def _interval(drawn: Numbers | Sequence[float]) -> Interval:
    """The 95% percentile interval of bootstrap values."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(low), float(high))
