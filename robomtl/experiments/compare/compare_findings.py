"""Findings of comparisons, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass

from robomtl.evaluation.statistics import Interval
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.paired import Tally


@dataclass(frozen=True, kw_only=True)
class TaskDifference:
    """How A and B differ in a task."""

    tally: Tally
    """Pairs of the task, by who solved them."""
    difference: float
    """Success of A minus that of B."""
    interval: Interval
    """Interval of the difference; see ``difference_interval``."""
    p_value: float
    """P-value of the exact McNemar test of this task alone."""
    holm: float
    """The same, corrected for the number of tasks."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How A and B differ on the trials that both played, success being at any step."""

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
    """Pairs it would take besides these; see ``more_to_settle``. None for too many."""
    tasks: Mapping[str, TaskDifference]
    """Differences by task, in the order of A."""
    worse: tuple[str, ...]
    """Tasks in which A is worse by Holm's correction: negative transfer, where B learned
    the tasks alone."""
    better: tuple[str, ...]
    """Tasks in which A is better by the same."""
    left_out: tuple[str, ...]
    """Tasks of A or B without a pair."""
    errors: int
    """Trials of both of which at least one ended in an error: they are no pairs."""
    only_a: int
    """Trials that B lacks."""
    only_b: int
    """Trials that A lacks."""
    differing: tuple[str, ...]
    """Conditions, versions and processors that differ, a phrase each."""
    goal_warnings: tuple[str, ...]
    """Why a policy could not know its task by the goal alone; see ``goal_warnings``."""
    confidence: float
    """Confidence of all intervals; tests have the level 1 - confidence."""


@dataclass(frozen=True, kw_only=True)
class SeedComparison:
    """How two methods differ over seeds of training; see ``seed_estimates``."""

    a: tuple[str, ...]
    """Names of A's agents, one a seed."""
    b: tuple[str, ...]
    """Names of B's agents."""
    suite: str
    tasks: tuple[str, ...]
    """Tasks in which every seed has an outcome: those compared."""
    left_out: tuple[str, ...]
    """Other tasks."""
    errors: int
    """Trials without an outcome, in no rate."""
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
    """Conditions that differ, a phrase each."""
    goal_warnings: tuple[str, ...]
    """Why a policy could not know its task by the goal alone; see ``goal_warnings``."""
    confidence: float
    """Confidence of all intervals."""
