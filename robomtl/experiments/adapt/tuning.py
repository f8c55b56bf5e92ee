"""Hyper-parameters of methods, chosen on training tasks: held-out ones are never seen.

Training tasks are held out in turn: policies are trained without them, as the family was
on all, and methods with every setting of a grid adapt to them. What solves most is chosen.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from robomtl.arguments import checked
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.execution.machine import Machine, check_device
from robomtl.experiments.adapt.benchmark import benchmark_of
from robomtl.experiments.adapt.family import Family, find_family
from robomtl.experiments.adapt.folds import folds
from robomtl.experiments.adapt.method_design import AdaptRequest, configured, objectives
from robomtl.experiments.adapt.method_experiment import compare_methods
from robomtl.experiments.adapt.method_findings import AdaptationFindings
from robomtl.experiments.adapt.posed_problems import Supports, check_playable
from robomtl.experiments.adapt.pretraining import Training, train_all
from robomtl.experiments.adapt.train_missing import demonstrations_of, like
from robomtl.files.durable import write_json
from robomtl.files.paths import located
from robomtl.files.request import plain
from robomtl.files.untrusted import read_json
from robomtl.names import file_name
from robomtl.task import Suite

CONFIG = "config.json"

Grid = Mapping[str, Mapping[str, Sequence[Any]]]
"""The values to try, by method and hyper-parameter."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How settings are tried."""

    shots: tuple[int, ...] = (1, 5)
    """Numbers of demonstrations."""
    folds: int = 3
    """Parts into which the training tasks are dealt; each is held out once."""
    supports: int = 2
    """Draws of the demonstrations for each number."""
    trials: int = 20
    """Trials of each task."""
    batch_size: int = 256
    """Samples in a gradient step."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A setting and what it came to."""

    settings: Mapping[str, Any]
    success: float | None
    """Mean over folds, shots and tasks; None where it always gave up."""


@dataclass(frozen=True, kw_only=True)
class _Tuned:
    """The content of the file that ``tune`` writes."""

    settings: dict[str, dict[str, Any]]
    """The best of each method."""


@checked
def tune(
    run: Path | str | Family,
    suite: Suite,
    grid: Grid,
    tuning: Tuning | None = None,
    *,
    out: Path | str,
    compute: Compute | None = None,
) -> dict[str, list[Tried]]:
    """Every setting of a grid by method, the best first.

    Policies and trials are kept in the folder, and a tuning that was stopped goes on.

    Args:
        run: The family, with the demonstrations it was trained on beside it.
        suite: That of the family.
        grid: What to try.
        tuning: Folds, shots, draws and trials; the defaults if None.
        out: Folder; ``config.json`` in it has the best settings.
        compute: Processes or cluster, device and precision; see ``compare_methods``.

    Raises:
        ValueError: If a name is unknown, a grid is empty, there are too few training
            tasks, or the demonstrations are not there.
    """
    folder, family, tuning = located(out), find_family(run), tuning or Tuning()
    labels = _labels(grid)
    request = _request(labels, tuning)
    needed = sorted({*objectives(request, configured(request)).values()})
    there, compute = demonstrations_of(family), compute or Compute()
    check_device(compute.machine.device)
    supports = Supports(data=there.path if benchmark_of(suite) == "transfer" else None)
    found, parts = [], folds(suite, tuning.folds)
    for fold in parts:  # Before anything is trained.
        check_playable(fold, request, supports)
    for number, fold in enumerate(parts):
        part = folder / f"fold-{number}"
        places = {k: part / "policies" / file_name(k) / "seed-0" for k in needed}
        train_all(
            there,
            [_like(family, out, k, compute.machine) for k, out in places.items()],
            tasks=[task.name for task in fold.train_tasks],
            compute=compute,
        )
        tried_there = compare_methods(
            part / "policies",
            fold,
            request,
            out=part / "trials",
            supports=supports,
            compute=compute,
        )
        found.append(tried_there)
    tried = _tried(labels, found)
    best = {method: dict(some[0].settings) for method, some in tried.items()}
    write_json(folder / CONFIG, {"settings": best, "tried": plain(tried)})
    return tried


def _request(
    labels: Mapping[str, tuple[str, Mapping[str, Any]]], tuning: Tuning
) -> AdaptRequest:
    """The comparison of a fold."""
    return AdaptRequest(
        methods={label: method for label, (method, _) in labels.items()},
        settings={label: settings for label, (_, settings) in labels.items()},
        shots=tuning.shots,
        supports=tuning.supports,
        trials=tuning.trials,
        goals=1,
        batch_size=tuning.batch_size,
    )


def _like(family: Family, out: Path, objective: str, machine: Machine) -> Training:
    """The training of a policy like the family's, on the requested machine."""
    made = like(family, out, objective=objective, seed=0, device=machine.device)
    if machine.precision == "auto":
        return made
    return replace(made, config=replace(made.config, precision=machine.precision))


def read_config(path: Path, methods: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The settings by label that ``tune`` chose for these methods.

    Args:
        path: The file it wrote.
        methods: Registered names by label.

    Raises:
        InputError: If the file is missing or no such file.
    """
    path = located(path)
    if not path.exists():
        raise InputError(f"There is no {path}; `robomtl tune` writes one.")
    settings = read_json(path, _Tuned).settings
    return {
        label: settings[name] for label, name in methods.items() if name in settings
    }


def _labels(grid: Grid) -> dict[str, tuple[str, dict[str, Any]]]:
    """Every setting of every method, by its own label."""
    if not grid:
        raise InputError("The grid is empty; give METHOD.NAME=VALUE,VALUE.")
    labels = {}
    for method, fields in grid.items():
        every = itertools.product(*fields.values())
        for number, values in enumerate(every):
            settings = dict(zip(fields, values, strict=True))
            labels[f"{method}-{number}"] = method, settings
    return labels


def _tried(
    labels: Mapping[str, tuple[str, Mapping[str, Any]]],
    found: Sequence[AdaptationFindings],
) -> dict[str, list[Tried]]:
    tried: dict[str, list[Tried]] = {}
    for label, (method, settings) in labels.items():
        means = [
            success.task_mean
            for each in found
            for success in each.methods[label].shots.values()
        ]
        known = [mean for mean in means if mean is not None]
        # One that gives up anywhere is no choice: what it solved elsewhere is no mean.
        success = fmean(known) if len(known) == len(means) else None
        tried.setdefault(method, []).append(Tried(settings=settings, success=success))
    for some in tried.values():
        some.sort(key=lambda each: 1.0 if each.success is None else -each.success)
    return tried
