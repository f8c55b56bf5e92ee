"""Settings of a mixture that is learned; ``learned_mixture`` says how."""

from dataclasses import dataclass
from typing import Literal

from robomtl.errors import InputError
from robomtl.ranges import check_counts, check_positive, check_types

Mixing = Literal["given", "learned"]


@dataclass(frozen=True, kw_only=True)
class Remix:
    """Settings of a learned mixture."""

    steps: int = 2_000
    """Gradient steps of the reference policy, and of the training that finds the weights."""
    rate: float = 0.2
    """Step size of the weights' logarithms, η in the paper."""
    smoothing: float = 1e-3
    """Fraction of the initial weights that is mixed into the weights at every step."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a value is out of range.
        """
        check_types(self)
        check_counts(self, "steps")
        check_positive(self, "rate")
        if not 0 <= self.smoothing < 1:
            raise InputError(f"smoothing is {self.smoothing}; give 0 to below 1.")


def check_alone(**settings: object) -> None:
    """Refuses settings that would weigh tasks beside a learned mixture, or divide a batch.

    Args:
        settings: By name, what is given in place of the only value that fits; None where
            it fits.

    Raises:
        InputError: Naming the first of them.
    """
    for name, value in settings.items():
        if value is not None:
            raise InputError(
                f"mixture 'learned' finds the weights of the tasks by whole batches, and"
                f" {name} is {value!r}; leave {name} out, or give mixture 'given'."
            )


def check_groups(groups: int, batch_size: int, objective: str) -> None:
    """Refuses data for which no mixture can be learned.

    Args:
        groups: Number of pairs of a task and a data set.
        batch_size: Samples in a step.
        objective: Registered name of what is minimised.

    Raises:
        InputError: If there is one group, a batch cannot hold all, or the objective draws
            problems of its own.
    """
    if objective != "cloning":
        raise InputError(
            f"mixture 'learned' says how frames are drawn, and objective '{objective}' draws"
            " problems of its own; leave mixture out, or train with 'cloning'."
        )
    if groups < 2:
        raise InputError(
            "mixture 'learned' weighs tasks and data sets against each other, and there is"
            " one of each; leave it out, or give demonstrations of more tasks."
        )
    if batch_size < groups:
        raise InputError(
            f"A batch of {batch_size} cannot hold a sample of each of {groups} pairs of a"
            f" task and a data set, which mixture 'learned' needs; give batch_size {groups}"
            " or more."
        )
