"""Findings of a probe, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from robomtl.evaluation.records import Record
from robomtl.evaluation.results import Setting
from robomtl.evaluation.statistics import Count, Interval
from robomtl.evaluation.summary import TaskRates
from robomtl.experiments.compare.compare_findings import TaskDifference

Word = Literal["uses", "ignores", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Success over some tasks; None where no trial has an outcome."""

    task_mean: float | None
    """Mean of the tasks' success."""
    interval: Interval | None
    """The 95 % interval of the mean; see ``mean_interval``."""
    successes: int
    trials: int
    """Trials with an outcome."""
    errors: int
    """Trials without one, beside ``trials``."""


@dataclass(frozen=True, kw_only=True)
class KindRates(Rates):
    """Success under a kind."""

    instruction: str
    """Description of the conditioning."""
    tasks: Mapping[str, TaskRates]
    """Rates of tasks by name: all but tasks that the kind has no instruction for."""
    of_others: Mapping[str, Mapping[str, Count]]
    """By task, and by the other task of the instruction; trials with an outcome."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Success with the right instruction minus that under another kind, on the same trials."""

    difference: float
    """Mean over tasks."""
    interval: Interval
    """The 95 % interval of the difference; see ``mean_difference_interval``."""
    pairs: int
    """Trials that have an outcome under both."""


@dataclass(frozen=True, kw_only=True)
class TaskDifferences(Difference):
    """The same, and that of each task."""

    tasks: Mapping[str, TaskDifference]
    """Differences by task; in a tally, A has the right instruction."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Tasks that share a scene, or several such families."""

    tasks: tuple[str, ...]
    """Tasks that were played."""
    kinds: Mapping[str, Rates]
    """Over these tasks, by kind."""
    differences: Mapping[str, Difference]
    """Right minus each other kind, by kind; those without a pair are left out."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the policy uses its instruction."""

    word: Word
    sentence: str
    """The same, and what it follows from."""
    margin: float
    """Below which a difference does not count as use of the instruction."""
    families: tuple[str, ...]
    """Families in which the instruction is used, if not in all."""


@dataclass(frozen=True, kw_only=True)
class InstructionFindings:
    """Success of a policy under right, other and no instructions."""

    setting: Setting
    """What was probed, how, and where."""
    conditioning: tuple[str, ...]
    """Conditioning of the policy."""
    kinds: Mapping[str, KindRates]
    """Success by kind of instruction, ``right`` first."""
    differences: Mapping[str, TaskDifferences]
    """Right minus each other kind, over the tasks of that kind."""
    ambiguous: Shared | None
    """All tasks that share a scene with another; None if the suite names none."""
    families: Mapping[str, Shared]
    """Tasks that share one scene, by the suite's name for it."""
    verdict: Verdict
    left_out: Mapping[str, str]
    """Reasons for leaving out other kinds."""
    warning: str = ""
    """Why goals cannot tell tasks apart; empty where they can, or are not all that tells
    the policy its task. See ``robomtl.goals``."""
    records: Mapping[str, tuple[Record, ...]]
    """The trials, by kind."""
