"""Data classes for the findings of a probe."""

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
    """Mean success rate over tasks."""
    interval: Interval | None
    """The 95 % interval of the mean; see ``mean_interval``."""
    successes: int
    trials: int
    """Trials with an outcome."""
    errors: int
    """Trials without an outcome, not counted in ``trials``."""


@dataclass(frozen=True, kw_only=True)
class KindRates(Rates):
    """Success under one kind of instruction."""

    instruction: str
    """Description of the kind for this policy."""
    tasks: Mapping[str, TaskRates]
    """Rates by task; tasks for which the kind has no instruction are omitted."""
    of_others: Mapping[str, Mapping[str, Count]]
    """Successes and trials under instructions of other tasks, by task and by the task of
    the instruction."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Success with the right instruction minus that under another kind, on the same trials."""

    difference: float
    """Mean over tasks."""
    interval: Interval
    """The 95 % interval of the difference; see ``mean_difference_interval``."""
    pairs: int
    """Number of trials with an outcome under both kinds."""


@dataclass(frozen=True, kw_only=True)
class TaskDifferences(Difference):
    """A difference of means with the difference of each task."""

    tasks: Mapping[str, TaskDifference]
    """Differences by task; in a tally, A is the right instruction."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Rates and differences over some tasks, such as a family that shares a scene."""

    tasks: tuple[str, ...]
    """The tasks of the group that were played."""
    kinds: Mapping[str, Rates]
    """Rates over these tasks, by kind."""
    differences: Mapping[str, Difference]
    """Right minus each other kind, by kind; kinds without pairs are left out."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the policy uses its instruction."""

    word: Word
    sentence: str
    """The verdict with its evidence, as a sentence."""
    margin: float
    """Smallest difference of success that counts as use of the instruction."""
    families: tuple[str, ...]
    """Families in which the instruction is used, if this is not shown for all tasks."""


@dataclass(frozen=True, kw_only=True)
class InstructionFindings:
    """Success of a policy under right, other and no instructions, and the verdict."""

    setting: Setting
    """Agent, suite and conditions of the trials."""
    conditioning: tuple[str, ...]
    """Conditioning of the policy."""
    kinds: Mapping[str, KindRates]
    """Success by kind of instruction, ``right`` first."""
    differences: Mapping[str, TaskDifferences]
    """Right minus each other kind, over the tasks of that kind."""
    ambiguous: Shared | None
    """All tasks that share a scene with another; None if the suite names none."""
    families: Mapping[str, Shared]
    """Tasks that share one scene, by the suite's name of the family."""
    verdict: Verdict
    left_out: Mapping[str, str]
    """Reason for each kind that is left out."""
    warning: str = ""
    """Warning that goals do not identify the task of a policy conditioned on goals only;
    empty if not applicable. See ``robomtl.goals``."""
    records: Mapping[str, tuple[Record, ...]]
    """Records of the trials, by kind."""
