"""Number of demonstrations from which multi-task training no longer helps."""

from collections.abc import Mapping
from dataclasses import dataclass

from robomtl.evaluation.formatting import counted
from robomtl.experiments.analysis import CONFIDENCE
from robomtl.experiments.curves import shots_for
from robomtl.experiments.findings import Difference


@dataclass(frozen=True, kw_only=True)
class Crossover:
    """Crossover of an arm with the baseline, in numbers of demonstrations."""

    pays_up_to: int | None
    """Most demonstrations at which the arm is significantly better, after Holm's
    correction over the numbers of demonstrations; None if it never is."""
    but_for: tuple[int, ...]
    """Smaller numbers at which the arm is not significantly better."""
    reaches_zero: int | None
    """Fewest demonstrations from which on the arm is never significantly better; None if
    it is at the most that were tried."""
    changes_sign: float | None
    """Demonstrations at which the difference first falls to 0, interpolated along the
    logarithm; the fewest tried if it is not above 0 there, None if it stays above 0."""
    fewest: int
    """Fewest demonstrations that were tried."""
    most: int
    """Most demonstrations that were tried."""

    def sentence(self, baseline: str) -> str:
        """Description of the crossover, to follow the name of the arm.

        Args:
            baseline: Name of the baseline in the sentence.
        """
        paying = self._paying(baseline)
        if self.changes_sign is None:
            return f"{paying}; there is no crossover up to {self.most}"
        if self.changes_sign == self.fewest:
            return f"{paying}; the difference is not above 0 at {self.fewest}"
        return f"{paying}; the difference falls to 0 at {self.changes_sign:.3g}"

    def _paying(self, baseline: str) -> str:
        most = counted(self.most, "demonstration")
        if self.pays_up_to is None:
            return f"does not beat {baseline} at any number up to {most}"
        text = f"beats {baseline} up to {counted(self.pays_up_to, 'demonstration')}"
        if self.but_for:
            text += f" except at {' and '.join(map(str, self.but_for))}"
        if self.reaches_zero is None:
            return f"{text}, the most tried"
        return f"{text}, and no longer from {self.reaches_zero} on"


def crossover(differences: Mapping[int, Difference]) -> Crossover:
    """The crossover of an arm with the baseline.

    Args:
        differences: Success minus that of the baseline, by number of demonstrations; at
            least 1 number.
    """
    counts = sorted(differences)
    above = [
        count
        for count in counts
        if differences[count].difference > 0
        and differences[count].holm < 1 - CONFIDENCE
    ]
    after = [count for count in counts if not above or count > above[-1]]
    values = [differences[count].difference for count in counts]
    return Crossover(
        pays_up_to=above[-1] if above else None,
        but_for=tuple(k for k in counts if k not in (*above, *after)),
        reaches_zero=after[0] if after else None,
        # The difference falls to 0 where its negative rises to 0.
        changes_sign=shots_for(0.0, counts, [-value for value in values]),
        fewest=counts[0],
        most=counts[-1],
    )
