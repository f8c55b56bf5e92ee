"""The cells of a shift experiment: policies, magnitudes and trials."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from robomtl.acting.agent import PolicyAgent
from robomtl.errors import InputError
from robomtl.evaluation.trials import plan as trials_plan
from robomtl.evaluation.trials import select
from robomtl.experiments.cells import Cell, Factors
from robomtl.nearest import unknown
from robomtl.ranges import check_counts, check_types, settings
from robomtl.shifts.shift import SHIFTS
from robomtl.shifts.shifted_env import Range
from robomtl.shifts.shifted_suite import check_possible, magnitude_from, possible
from robomtl.task import Suite

Adaptation = Literal["renormalise", "finetune"]
"""Ways to adapt a policy to a shift; see the module ``target_adapting``."""
NONE = "none"
"""Name of the condition without a shift, which all shifts share."""


@settings
@dataclass(frozen=True, kw_only=True)
class ShiftConfig:
    """Settings of a shift experiment: shifts, magnitudes and trials."""

    shifts: tuple[str, ...] | None = None
    """Names of shifts; by default all that the suite supports."""
    magnitudes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Magnitudes by name of the shift; by default those of the shift."""
    tasks: tuple[str, ...] | None = None
    """Tasks to play; all training tasks by default."""
    variations: str = "fresh"
    """Split of variations to play."""
    trials: int = 20
    """Trials of each task under each magnitude, on the same variations."""
    adaptations: tuple[Adaptation, ...] = ()
    """Ways to adapt each policy to a shift before playing it, beside playing it without
    adaptation: ``renormalise``, ``finetune`` or both."""
    shots: int = 5
    """Episodes of each task under the shift that an adaptation may use."""

    def __post_init__(self) -> None:
        """Checks the numbers and the adaptations.

        Raises:
            InputError: If there is no trial or shot, or an adaptation is unknown.
        """
        check_types(self)
        check_counts(self, "trials", "shots")


Grid = Mapping[str, tuple[float, ...]]
"""Magnitudes by name of the shift, ascending, including the one that changes nothing."""


def grid_of(suite: Suite, config: ShiftConfig) -> Grid:
    """The magnitudes to play, by name of the shift.

    Raises:
        InputError: If no shift is named, or one is unknown, named twice or not supported
            by the suite, a magnitude is out of range, or magnitudes are given for a shift
            that is not played.
    """
    names = possible(suite) if config.shifts is None else config.shifts
    if not names:
        raise InputError("No shift was named; name at least 1.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"The shift {twice[0]} is named twice; name it once.")
    for name in (*names, *config.magnitudes):
        check_possible(suite, name)
    for name in config.magnitudes:
        if name not in names:
            raise InputError(unknown("shift with magnitudes", name, names))
    found: dict[str, tuple[float, ...]] = {}
    for name in names:
        shift = SHIFTS.get(name)
        given = config.magnitudes.get(name, shift.magnitudes)
        values = {magnitude_from(name, shift, each) for each in given} - {shift.none}
        if not values:
            raise InputError(
                f"{name} has no magnitude besides {shift.none:g}, which changes nothing;"
                " give at least 1."
            )
        found[name] = tuple(sorted({*values, shift.none}))
    return found


@dataclass(frozen=True, kw_only=True)
class LabelledPolicy:
    """A trained policy with its label and seed."""

    label: str
    """Name of the policy; runs with the same label differ only by the seed of training."""
    seed: int
    agent: PolicyAgent


def policies_of(runs: Sequence[Path | str]) -> tuple[LabelledPolicy, ...]:
    """The policies of run directories.

    A run directory ``LABEL/seed-NUMBER`` is one seed of the policy ``LABEL``; any other is
    seed 0 of a policy with the directory's name.

    Raises:
        InputError: If there is no run, a path is not a run directory, a label and seed
            occur twice, or policies differ in their seeds.
    """
    found = [_policy(Path(run)) for run in runs]
    keys = [(each.label, each.seed) for each in found]
    if not found:
        raise InputError("Name at least 1 run directory.")
    for label, seed in keys:
        if keys.count((label, seed)) > 1:
            raise InputError(
                f"Policy {label} is given twice with seed {seed}; give run directories"
                " with different names, or LABEL/seed-NUMBER."
            )
    seeds = {
        label: tuple(sorted(seed for other, seed in keys if other == label))
        for label, _ in keys
    }
    if len({*seeds.values()}) > 1:
        named = "; ".join(f"{k}: {', '.join(map(str, v))}" for k, v in seeds.items())
        raise InputError(f"Policies need the same seeds of training; given: {named}.")
    return tuple(found)


def _policy(run: Path) -> LabelledPolicy:
    folder = run.resolve()
    seed = re.fullmatch(r"seed-(\d+)", folder.name)
    label = folder.parent.name if seed else folder.name
    return LabelledPolicy(
        label=label, seed=int(seed[1]) if seed else 0, agent=PolicyAgent(run)
    )


@dataclass(frozen=True, kw_only=True)
class ShiftCell(Cell):
    """The trials of one policy on one task under one magnitude of a shift."""

    policy: str
    """Label of the policy."""
    seed: int
    adaptation: Adaptation | None
    """Adaptation of the policy to the shift before its trials; None for none."""
    shots: int
    """Episodes of each task that the adaptation uses."""
    shift: str
    """Name of the shift; ``NONE`` without a shift."""
    magnitude: float
    task: str

    @property
    def name(self) -> str:
        """Policy, adaptation, seed, shift, magnitude and task."""
        under = f"{self.shift}={self.magnitude:g}" if self.shift != NONE else NONE
        return f"{self.line}, seed {self.seed}, {under}, {self.task}"

    @property
    def line(self) -> str:
        """Label of the policy with its adaptation: a curve of the figures."""
        if not self.adaptation:
            return self.policy
        return f"{self.policy}, {self.adaptation} {self.shots}"

    @property
    def ranges(self) -> Mapping[str, Range]:
        """Range of magnitudes of the shift, as ``shifted_env`` expects it."""
        at = self.magnitude
        return {} if self.shift == NONE else {self.shift: (at, at)}

    @property
    def factors(self) -> Factors:
        """Policy, adaptation, shots, seed, shift and magnitude."""
        return {
            "policy": self.policy,
            "adaptation": self.adaptation or "",
            "shots": self.shots if self.adaptation else 0,
            "seed": self.seed,
            "shift": self.shift,
            "magnitude": self.magnitude,
        }

    @property
    def kind(self) -> str:
        """Task of the cell: a process keeps its envs, which are slow to build."""
        return self.task

    @property
    def units(self) -> int:
        """Number of trials."""
        return len(self.trials)


def plan(
    policies: Sequence[LabelledPolicy], suite: Suite, grid: Grid, config: ShiftConfig
) -> list[ShiftCell]:
    """A cell for each policy, adaptation, magnitude and task, ordered by task.

    Raises:
        InputError: If a task is unknown, or the split has fewer variations than trials.
    """
    conditions = [
        (name, magnitude)
        for name, magnitudes in grid.items()
        for magnitude in magnitudes
        if magnitude != SHIFTS.get(name).none
    ]
    learned: tuple[Adaptation | None, ...] = (None, *config.adaptations)
    return [
        ShiftCell(
            trials=trials_plan(
                suite, [task.name], split=config.variations, episodes=config.trials
            ),
            policy=policy.label,
            seed=policy.seed,
            adaptation=adaptation,
            shots=config.shots,
            shift=shift,
            magnitude=magnitude,
            task=task.name,
        )
        for task in select(suite, config.tasks)
        for policy in policies
        for adaptation in learned
        for shift, magnitude in [(NONE, 0.0), *conditions]
    ]
