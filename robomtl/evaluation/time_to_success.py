"""Time to success: fraction of trials that are solved by each step."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from robomtl.evaluation.records import Record
from robomtl.evaluation.results import Results
from robomtl.evaluation.rollout import Criterion

ALL_TASKS = "all tasks"
"""Title of the curve of all tasks."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Success rate within t steps as a step function of t, up to the final rate.

    A trial that ended unsolved counts as unsolved at every step, even after its horizon:
    the curve describes success within the horizon, not what a longer trial would reach.
    """

    steps: tuple[int, ...]
    """Steps at which a trial was first solved, ascending."""
    success_rates: tuple[float, ...]
    """Success rate by each of these steps, as a mean over tasks."""
    unsolved: tuple[int, ...]
    """Length of each trial that ended unsolved, ascending [steps]."""

    def success_rate_by(self, step: int) -> float:
        """Success rate within this number of steps."""
        count = bisect_right(self.steps, step)
        return self.success_rates[count - 1] if count else 0.0

    def step_of(self, success_rate: float) -> int | None:
        """First step by which the success rate is at least this; None if never."""
        reached = (
            step
            for step, rate in zip(self.steps, self.success_rates, strict=True)
            if rate >= success_rate
        )
        return next(reached, None)


def solved_by(
    records: Sequence[Record], criterion: Criterion = "any step"
) -> Curve | None:
    """Curve of the time to success; None if no trial has an outcome.

    All tasks have equal weights, whatever their number of trials with an outcome, so that
    the curve ends at the mean of the tasks' success rates. Errors are left out.

    Args:
        records: Trials of one task or of several.
        criterion: Step at which success counts: any step, or the last. A trial that counts
            as solved does so from its first success on.
    """
    outcomes = [record for record in records if record.error is None]
    if not outcomes:
        return None
    trials = Counter(record.task for record in outcomes)
    gains: dict[int, Fraction] = {}
    for record in outcomes:
        if record.solved(criterion) and record.first_success_step is not None:
            gain = Fraction(1, trials[record.task] * len(trials))
            before = gains.get(record.first_success_step, Fraction())
            gains[record.first_success_step] = before + gain
    steps = tuple(sorted(gains))
    return Curve(
        steps=steps,
        success_rates=_sums([gains[step] for step in steps]),
        unsolved=tuple(
            sorted(
                record.length
                for record in outcomes
                if not record.solved(criterion) and record.length is not None
            )
        ),
    )


def curves_of(results: Results) -> dict[str, Curve]:
    """Curves of an evaluation by title: all tasks, then each tier if there are several.

    Tiers in which no trial has an outcome are left out.
    """
    groups = {ALL_TASKS: list(results.records)}
    if len(results.tiers) > 1:
        tiers = results.task_tiers
        for tier in results.tiers:
            of_tier = [r for r in results.records if tiers[r.task] == tier]
            groups[tier or "no tier"] = of_tier
    criterion = results.setting.criterion
    curves = {title: solved_by(some, criterion) for title, some in groups.items()}
    return {title: curve for title, curve in curves.items() if curve is not None}


def _sums(parts: Sequence[Fraction]) -> tuple[float, ...]:
    """Cumulative sums; exact, so that the last one equals the success rate."""
    whole = Fraction()
    return tuple(float(whole := whole + part) for part in parts)
