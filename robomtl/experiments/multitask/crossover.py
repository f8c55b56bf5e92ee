"""From how many demonstrations on learning together no longer beats learning alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from robomtl.evaluation.figures import counted
from robomtl.experiments.analysis import CONFIDENCE
from robomtl.experiments.curves import shots_for
from robomtl.experiments.findings import Difference


@dataclass(frozen=True, kw_only=True)
class Crossover:
    """Where an arm stops paying."""

    pays_up_to: int | None
    """Most demonstrations at which the arm is better, by Holm's correction for the numbers
    of demonstrations; None where it is at none."""
    but_for: tuple[int, ...]
    """Numbers below that at which it is not."""
    reaches_zero: int | None
    """Fewest demonstrations from which on it is at none; None where it is at the most
    tried."""
    changes_sign: float | None
    """Demonstrations at which the difference first falls to 0, along the logarithm; the
    fewest tried where it is not above 0 there; None where it never falls to 0."""
    fewest: int
    """Fewest demonstrations that were tried."""
    most: int
    """Most demonstrations that were tried."""

    def sentence(self, baseline: str) -> str:
        """All of it, in words that follow the name of the arm.

        Args:
            baseline: What the arm is compared with, in words.
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
            text += f" but for {' and '.join(map(str, self.but_for))}"
        if self.reaches_zero is None:
            return f"{text}, the most tried"
        return f"{text}, and no more from {self.reaches_zero} on"


def crossover(differences: Mapping[int, Difference]) -> Crossover:
    """Up to how many demonstrations an arm beats learning alone, and where that ends.

    Args:
        differences: Success minus that of learning alone, by demonstrations; at least 1.
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
        # Where it falls to 0, its opposite rises to it.
        changes_sign=shots_for(0.0, counts, [-value for value in values]),
        fewest=counts[0],
        most=counts[-1],
    )
