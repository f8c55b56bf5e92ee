"""Success, costs and differences by task, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from robomtl.cost import Cost
from robomtl.evaluation.statistics import Interval
from robomtl.experiments.aggregates import Estimate


@dataclass(frozen=True, kw_only=True)
class TaskSuccess:
    """Success in one task."""

    success: float
    interval: Interval
    trials: int
    """Trials with an outcome, over all seeds and draws."""
    errors: int
    """Trials without an outcome, which are excluded from the rates."""


@dataclass(frozen=True, kw_only=True)
class Success:
    """Success over tasks and in each of them; None where no trial has an outcome."""

    task_mean: float | None
    interval: Interval | None
    """Interval of the task mean; see ``crossed``."""
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
    """Time of a prediction for one trial, on one core [s]; None if not measured."""


def took_of(costs: Sequence[Cost]) -> Took:
    """Medians over costs, at least 1 of them; without the time of a prediction."""
    names = ("seconds", "steps", "samples", "parameters")
    return Took(**{name: median(getattr(c, name) for c in costs) for name in names})


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Difference of success on the trials that both played."""

    difference: float
    interval: Interval
    holm: float
    """P-value of no difference, after Holm's correction over the conditions, such as
    numbers of demonstrations."""
    tasks: Mapping[str, Estimate]
    worse: tuple[str, ...]
    """Tasks that are significantly worse after Holm's correction, see ``differences_of``;
    relative to the baseline, negative transfer."""
    better: tuple[str, ...]
    """Tasks that are significantly better after the same correction."""


def counts_by_task(tasks: Mapping[int, Sequence[str]]) -> dict[str, tuple[int, ...]]:
    """Numbers of demonstrations at which each task is listed, by task.

    Args:
        tasks: Names of tasks by number of demonstrations, such as the worse tasks.
    """
    names = dict.fromkeys(name for some in tasks.values() for name in some)
    return {
        name: tuple(count for count, some in tasks.items() if name in some)
        for name in names
    }
