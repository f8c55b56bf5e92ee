"""How fast tasks are solved: the fraction of trials solved by each step."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from robomtl.evaluation.records import Record
from robomtl.evaluation.rollout import Criterion


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Success within t steps, for every t: stairs that end at the success rate.

    A trial that ended unsolved counts as unsolved at every step, also at those after
    its horizon: the curve is of success within the horizon, and says nothing of what
    would have been solved later.
    """

    steps: tuple[int, ...]
    """Steps at which a trial was first solved, ascending."""
    success_rates: tuple[float, ...]
    """Success rate by each of them: the mean over tasks."""
    unsolved: tuple[int, ...]
    """After how many steps trials ended unsolved, ascending; one each."""

    def success_rate_by(self, step: int) -> float:
        """The fraction solved within so many steps."""
        place = bisect_right(self.steps, step)
        return self.success_rates[place - 1] if place else 0.0

    def step_of(self, success_rate: float) -> int | None:
        """The first step by which the success rate is at least this; None if never."""
        reached = (
            step
            for step, there in zip(self.steps, self.success_rates, strict=True)
            if there >= success_rate
        )
        return next(reached, None)


def solved_by(
    records: Sequence[Record], criterion: Criterion = "any step"
) -> Curve | None:
    """The curve of some trials; None if none has an outcome.

    Tasks weigh the same, however many of their trials have an outcome, so that the
    curve ends at the mean of the tasks' success rates. Errors are left out.

    Args:
        records: Trials of one task or of several.
        criterion: When a trial counts as solved; it does from its first success on.
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


def _sums(parts: Sequence[Fraction]) -> tuple[float, ...]:
    """Sums up to each part; exact, so that the last is the rate to the last bit."""
    whole = Fraction()
    return tuple(float(whole := whole + part) for part in parts)
