"""Success rates of each task, of each tier of tasks, and of all tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from robomtl.evaluation.records import Record
from robomtl.evaluation.rollout import Criterion
from robomtl.evaluation.statistics import Count, Interval, mean_interval, wilson

_TIERS = ("easy", "medium", "hard", "very hard")  # Order in tables.


@dataclass(frozen=True, kw_only=True)
class TaskRates:
    """Rates of a task; None if no trial has an outcome."""

    tier: str
    """Tier of the task; empty for none."""
    success: float | None
    """Fraction of trials that count as solved, by the criterion of the evaluation."""
    interval: Interval | None
    """95 % Wilson interval of ``success``."""
    successes: int
    """Number of trials that count as solved."""
    trials: int
    """Number of trials with an outcome."""
    errors: int
    """Number of trials without an outcome, which ``trials`` does not include."""
    success_at_end: float | None
    """Fraction of trials solved at the last step; None if trials stop at success."""
    mean_steps_to_success: float | None
    """Mean number of actions up to the first success, over trials that have one."""


@dataclass(frozen=True, kw_only=True)
class GroupRates:
    """Rates of a group of tasks: means over its tasks, and sums."""

    success: float | None
    """Mean of the tasks' success, without tasks that have no outcome."""
    interval: Interval | None
    """95 % interval of ``success``; see ``mean_interval``."""
    tasks: int
    """Number of tasks."""
    successes: int
    """Number of trials that count as solved."""
    trials: int
    """Number of trials with an outcome."""
    errors: int
    """Number of trials without an outcome."""
    success_at_end: float | None
    """Mean of the tasks' success at the last step."""
    mean_steps_to_success: float | None
    """Mean number of actions up to the first success, over trials that have one."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Success rates of an evaluation."""

    everything: GroupRates
    """Rates of all tasks; its ``success`` is the task mean."""
    tier_mean: float | None
    """Mean over tiers of the mean over each tier's tasks; None without tiers."""
    tier_mean_interval: Interval | None
    """95 % interval of the tier mean."""
    tiers: Mapping[str, GroupRates]
    """Rates of tiers by name, easiest first."""
    tasks: Mapping[str, TaskRates]
    """Rates of tasks by name, in the order of the trials."""

    def by_success(self, tier: str) -> list[tuple[str, TaskRates]]:
        """Tasks of a tier by descending success; tasks without an outcome are last."""
        members = [
            (name, task) for name, task in self.tasks.items() if task.tier == tier
        ]
        unknown = -1.0
        return sorted(
            members,
            key=lambda m: (-(unknown if m[1].success is None else m[1].success), m[0]),
        )


def summarise(
    records: Sequence[Record],
    tiers: Mapping[str, str],
    criterion: Criterion = "any step",
) -> Summary:
    """Success rates of a table of trials.

    Args:
        records: All trials of the evaluation.
        tiers: Tier of each task, by name; empty for none.
        criterion: Step at which success counts: any step, or the last.
    """
    of_task: dict[str, list[Record]] = {}
    for record in records:
        of_task.setdefault(record.task, []).append(record)
    tasks = {
        name: _task(rows, tiers[name], criterion) for name, rows in of_task.items()
    }
    names = sorted({*tiers.values()}, key=_tier_order) if any(tiers.values()) else []
    groups = {name: _tier(records, tasks, name) for name in names}
    mean, interval = _tier_mean(tasks, groups)
    return Summary(
        everything=_group(records, list(tasks.values())),
        tier_mean=mean,
        tier_mean_interval=interval,
        tiers=groups,
        tasks=tasks,
    )


def _tier(
    records: Sequence[Record], tasks: Mapping[str, TaskRates], tier: str
) -> GroupRates:
    return _group(
        [record for record in records if tasks[record.task].tier == tier],
        [rates for rates in tasks.values() if rates.tier == tier],
    )


def _task(records: Sequence[Record], tier: str, criterion: Criterion) -> TaskRates:
    outcomes = [record for record in records if record.error is None]
    successes = sum(record.solved(criterion) is True for record in outcomes)
    at_end = [r.success_at_end for r in outcomes if r.success_at_end is not None]
    return TaskRates(
        tier=tier,
        success=successes / len(outcomes) if outcomes else None,
        interval=wilson(successes, len(outcomes)) if outcomes else None,
        successes=successes,
        trials=len(outcomes),
        errors=len(records) - len(outcomes),
        success_at_end=_mean(at_end),
        mean_steps_to_success=_steps(records),
    )


def _group(records: Sequence[Record], tasks: Sequence[TaskRates]) -> GroupRates:
    rates = [task.success for task in tasks if task.success is not None]
    return GroupRates(
        success=_mean(rates),
        interval=_interval(tasks, [1 / len(rates)] * len(rates)) if rates else None,
        tasks=len(tasks),
        successes=sum(task.successes for task in tasks),
        trials=sum(task.trials for task in tasks),
        errors=sum(task.errors for task in tasks),
        success_at_end=_mean(
            [task.success_at_end for task in tasks if task.success_at_end is not None]
        ),
        mean_steps_to_success=_steps(records),
    )


def _tier_mean(
    tasks: Mapping[str, TaskRates], tiers: Mapping[str, GroupRates]
) -> tuple[float | None, Interval | None]:
    known = {name for name, tier in tiers.items() if tier.success is not None}
    if not known:
        return None, None
    counted = [task for task in tasks.values() if task.trials]
    sizes = {name: sum(task.tier == name for task in counted) for name in known}
    weights = [1 / len(known) / sizes[task.tier] for task in counted]
    mean = _mean([rates.success for rates in tiers.values() if rates.trials])
    return mean, _interval(counted, weights)


def _interval(tasks: Sequence[TaskRates], weights: Sequence[float]) -> Interval:
    counts = [Count(task.successes, task.trials) for task in tasks if task.trials]
    return mean_interval(counts, weights)


def _steps(records: Sequence[Record]) -> float | None:
    return _mean(
        [r.first_success_step for r in records if r.first_success_step is not None]
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _tier_order(tier: str) -> tuple[int, str]:
    return (_TIERS.index(tier) if tier in _TIERS else len(_TIERS), tier)
