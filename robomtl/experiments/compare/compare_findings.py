"""Findings of comparisons, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass

from robomtl.evaluation.statistics import Interval
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.paired import Tally


@dataclass(frozen=True, kw_only=True)
class TaskDifference:
    """Difference of A and B in one task."""

    tally: Tally
    """Pairs of the task, by who solved them."""
    difference: float
    """Success of A minus that of B."""
    interval: Interval
    """Interval of the difference; see ``difference_interval``."""
    p_value: float
    """P-value of the exact McNemar test of this task alone."""
    holm: float
    """The same p-value after Holm's correction for the number of tasks."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Difference of A and B on the trials that both played.

    Success is by the criterion of each evaluation's protocol.
    """

    a: str
    """Name of the agent A."""
    b: str
    """Name of the agent B."""
    suite: str
    """Suite of A."""
    success_a: float
    """Mean over tasks of A's success, in the pairs."""
    success_b: float
    """Mean over tasks of B's success, in the pairs."""
    difference: float
    """Mean over tasks of the success of A minus that of B."""
    interval: Interval
    """Interval of the difference; see ``mean_difference_interval``."""
    tally: Tally
    """All pairs, by who solved them."""
    p_value: float
    """P-value of the exact McNemar test that A and B solve every task equally often."""
    more_to_settle: int | None
    """Further pairs that would settle the difference, see ``more_to_settle``; 0 if it is
    settled, None if no number would settle it."""
    tasks: Mapping[str, TaskDifference]
    """Differences by task, in the order of A."""
    worse: tuple[str, ...]
    """Tasks in which A is significantly worse after Holm's correction: negative transfer,
    where B learned each task alone."""
    better: tuple[str, ...]
    """Tasks in which A is significantly better after the same correction."""
    left_out: tuple[str, ...]
    """Tasks of A or B without a pair."""
    errors: int
    """Trials that both played and in which A or B had an error; they are excluded."""
    only_a: int
    """Number of trials that only A played."""
    only_b: int
    """Number of trials that only B played."""
    differing: tuple[str, ...]
    """Phrases on conditions, versions and processors that differ."""
    goal_warnings: tuple[str, ...]
    """Warnings that goals alone do not identify the tasks; see ``goal_warnings``."""
    confidence: float
    """Confidence of all intervals; tests have the level 1 - confidence."""


@dataclass(frozen=True, kw_only=True)
class SeedComparison:
    """Difference of two methods over seeds of training; see ``seed_estimates``."""

    a: tuple[str, ...]
    """Names of A's agents, one for each seed."""
    b: tuple[str, ...]
    """Names of B's agents, one for each seed."""
    suite: str
    tasks: tuple[str, ...]
    """Compared tasks: those in which every seed has an outcome."""
    left_out: tuple[str, ...]
    """Tasks in which some seed has no outcome."""
    errors: int
    """Trials without an outcome, which are excluded from the rates."""
    mean_a: Estimate
    """Mean success of A over seeds and tasks."""
    mean_b: Estimate
    """Mean success of B."""
    iqm_a: Estimate
    """Interquartile mean of A's success over seeds and tasks."""
    iqm_b: Estimate
    """Interquartile mean of B's success."""
    difference: Estimate
    """Interquartile mean of A minus that of B."""
    improvement: Estimate
    """Probability that a seed of A beats one of B in a task, ties counting half."""
    differing: tuple[str, ...]
    """Phrases on conditions that differ."""
    goal_warnings: tuple[str, ...]
    """Warnings that goals alone do not identify the tasks; see ``goal_warnings``."""
    confidence: float
    """Confidence of all intervals."""
