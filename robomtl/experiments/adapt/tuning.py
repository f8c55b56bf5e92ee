"""Hyper-parameter search of methods on training tasks, without the held-out tasks.

Cross-validation over the training tasks: for each fold, policies are trained on the other
tasks with the family's settings, and methods with every setting of a grid adapt to the
tasks of the fold. The setting with the highest mean success is selected.
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
from robomtl.experiments.adapt.benchmark import kind_of
from robomtl.experiments.adapt.family import Family, find_family
from robomtl.experiments.adapt.folds import folds
from robomtl.experiments.adapt.method_design import AdaptRequest, configured, objectives
from robomtl.experiments.adapt.method_experiment import compare_methods
from robomtl.experiments.adapt.method_findings import AdaptationFindings
from robomtl.experiments.adapt.pretraining import Training, train_all
from robomtl.experiments.adapt.support_pool import Supports, check_playable
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
    """Settings of a hyper-parameter search."""

    shots: tuple[int, ...] = (1, 5)
    """Numbers of demonstrations."""
    folds: int = 3
    """Number of folds of the training tasks; each is held out once."""
    supports: int = 2
    """Draws of the demonstrations for each number of shots."""
    trials: int = 20
    """Trials of each task."""
    batch_size: int = 256
    """Batch size of a gradient step."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A setting of a method and its success."""

    settings: Mapping[str, Any]
    success: float | None
    """Mean success over folds, shots and tasks; None if an adaptation gave up."""


@dataclass(frozen=True, kw_only=True)
class _Tuned:
    """Content of the file that ``tune`` writes."""

    settings: dict[str, dict[str, Any]]
    """The best setting of each method; methods whose every setting gave up are left out."""


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
    """Tries every setting of a grid; the settings by method, best first.

    Policies and trials are saved in the folder, and an interrupted search resumes.

    Args:
        run: The family, with its training demonstrations in ``demonstrations``.
        suite: Suite of the family.
        grid: Values to try, by method and hyper-parameter.
        tuning: Folds, shots, draws and trials; the defaults if None.
        out: Folder of the search; receives ``config.json`` with the best settings.
        compute: Processes or cluster, device and precision; see ``compare_methods``.

    Raises:
        ValueError: If a name is unknown, the grid is empty, there are too few training
            tasks, or the demonstrations are missing.
    """
    folder, family, tuning = located(out), find_family(run), tuning or Tuning()
    labels = _labels(grid)
    request = _request(labels, tuning)
    needed = sorted({*objectives(request, configured(request)).values()})
    demonstrations, compute = demonstrations_of(family), compute or Compute()
    check_device(compute.machine.device)
    visible = kind_of(suite) == "transfer"
    supports = Supports(data=demonstrations.path if visible else None)
    found, parts = [], folds(suite, tuning.folds)
    for fold in parts:  # Before the training.
        check_playable(fold, request, supports)
    for number, fold in enumerate(parts):
        part = folder / f"fold-{number}"
        runs = {k: part / "policies" / file_name(k) / "seed-0" for k in needed}
        train_all(
            demonstrations,
            [_like(family, out, k, compute.machine) for k, out in runs.items()],
            tasks=[task.name for task in fold.train_tasks],
            compute=compute,
        )
        findings = compare_methods(
            part / "policies",
            fold,
            request,
            out=part / "trials",
            supports=supports,
            compute=compute,
        )
        found.append(findings)
    tried = _tried(labels, found)
    write_json(folder / CONFIG, {"settings": _best(tried), "tried": plain(tried)})
    return tried


def _request(
    labels: Mapping[str, tuple[str, Mapping[str, Any]]], tuning: Tuning
) -> AdaptRequest:
    """The request for the comparison on one fold."""
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
    """A training with the family's settings, on the requested machine."""
    made = like(family, out, objective=objective, seed=0, device=machine.device)
    if machine.precision == "auto":
        return made
    return replace(made, config=replace(made.config, precision=machine.precision))


def read_config(path: Path, methods: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The settings that ``tune`` selected for methods, by label.

    Args:
        path: The file ``config.json`` of a search.
        methods: Registered names of the methods, by label.

    Raises:
        InputError: If the file is missing or not of a search.
    """
    path = located(path)
    if not path.exists():
        raise InputError(f"There is no {path}; `robomtl tune` writes one.")
    settings = read_json(path, _Tuned).settings
    return {
        label: settings[name] for label, name in methods.items() if name in settings
    }


def _labels(grid: Grid) -> dict[str, tuple[str, dict[str, Any]]]:
    """Method and setting by a label ``METHOD-NUMBER``, for every setting of a grid."""
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
    findings: Sequence[AdaptationFindings],
) -> dict[str, list[Tried]]:
    tried: dict[str, list[Tried]] = {}
    for label, (method, settings) in labels.items():
        by_fold = [each.methods[label] for each in findings]
        means = [one.task_mean for each in by_fold for one in each.shots.values()]
        known = [mean for mean in means if mean is not None]
        # Rates exclude adaptations that gave up, so the mean would favour such a setting.
        complete = len(known) == len(means) and not any(
            each.reasons for each in by_fold
        )
        success = fmean(known) if complete else None
        tried.setdefault(method, []).append(Tried(settings=settings, success=success))
    for some in tried.values():
        some.sort(key=lambda each: 1.0 if each.success is None else -each.success)
    return tried


def _best(tried: Mapping[str, Sequence[Tried]]) -> dict[str, dict[str, Any]]:
    """The first setting of each method, unless it gave up: then all others did."""
    return {
        method: dict(some[0].settings)
        for method, some in tried.items()
        if some[0].success is not None
    }
