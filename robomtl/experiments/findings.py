"""Success, costs and differences by task, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from robomtl.cost import Cost
from robomtl.evaluation.statistics import Interval
from robomtl.experiments.aggregates import Estimate


@dataclass(frozen=True, kw_only=True)
class TaskSuccess:
    """How a task went."""

    success: float
    interval: Interval
    trials: int
    """With an outcome, over all seeds and draws."""
    errors: int
    """Trials without an outcome, in no rate."""


@dataclass(frozen=True, kw_only=True)
class Success:
    """How the tasks went; None where no trial has an outcome."""

    task_mean: float | None
    interval: Interval | None
    """See ``crossed``."""
    trials: int
    errors: int
    tasks: Mapping[str, TaskSuccess]


@dataclass(frozen=True, kw_only=True)
class Took:
    """The cost of learning: medians over cells."""

    seconds: float
    """Wall time, each training with one thread [s]."""
    steps: float
    samples: float
    parameters: float
    act: float | None = None
    """Time of a prediction for one trial, on one core [s]; None where it is not known."""


def took_of(costs: Sequence[Cost]) -> Took:
    """The median of each cost, at least 1, without the time of a prediction."""
    names = ("seconds", "steps", "samples", "parameters")
    return Took(**{name: median(getattr(c, name) for c in costs) for name in names})


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How success differs on the trials that both played."""

    difference: float
    interval: Interval
    holm: float
    """The p-value of no difference, by Holm's correction for the conditions, such as
    numbers of demonstrations."""
    tasks: Mapping[str, Estimate]
    worse: tuple[str, ...]
    """Tasks that are worse by Holm's correction: negative transfer, against the baseline;
    see ``differences_of``."""
    better: tuple[str, ...]
    """Tasks that are better by the same."""


def counts_by_task(tasks: Mapping[int, Sequence[str]]) -> dict[str, tuple[int, ...]]:
    """By task, the numbers of demonstrations under which it is named.

    Args:
        tasks: Names of tasks by number, such as those that are worse.
    """
    names = dict.fromkeys(name for some in tasks.values() for name in some)
    return {
        name: tuple(count for count, some in tasks.items() if name in some)
        for name in names
    }
