"""Settings of a learned mixture; see ``learned_mixture``."""

from dataclasses import dataclass
from typing import Literal

from robomtl.errors import InputError
from robomtl.ranges import check_counts, check_positive, check_types

Mixing = Literal["given", "learned"]


@dataclass(frozen=True, kw_only=True)
class Remix:
    """Settings of a learned mixture."""

    steps: int = 2_000
    """Gradient steps of the reference policy, and of the training that learns the weights."""
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
    """Refuses settings that would weight tasks beside a learned mixture, or divide a batch.

    Args:
        settings: Values of such settings by name; None if a setting has its only value that
            fits.

    Raises:
        InputError: If a value is not None.
    """
    for name, value in settings.items():
        if value is not None:
            raise InputError(
                f"mixture 'learned' learns the weights of the tasks from whole batches, and"
                f" {name} is {value!r}; leave {name} out, or give mixture 'given'."
            )


def check_groups(groups: int, batch_size: int, objective: str) -> None:
    """Checks that a mixture can be learned for some data.

    Args:
        groups: Number of pairs of a task and a data set.
        batch_size: Samples in a step.
        objective: Registered name of the objective.

    Raises:
        InputError: If there is only one group, a batch has too few samples for all groups,
            or the objective is not ``cloning``.
    """
    if objective != "cloning":
        raise InputError(
            f"mixture 'learned' sets how frames are drawn, and objective '{objective}' draws"
            " problems of its own; leave mixture out, or train with 'cloning'."
        )
    if groups < 2:
        raise InputError(
            "mixture 'learned' weights tasks and data sets against each other, and there is"
            " one of each; leave it out, or give demonstrations of more tasks."
        )
    if batch_size < groups:
        raise InputError(
            f"A batch of {batch_size} cannot hold a sample of each of {groups} pairs of a"
            f" task and a data set, which mixture 'learned' needs; give batch_size {groups}"
            " or more."
        )
