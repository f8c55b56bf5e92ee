"""Nearest neighbours in the standardised state: a baseline without a network.

The state is standardised by the normaliser of the trained policy, since one demonstration
is too little to estimate the standard deviation of each feature. Nothing else of the
trained policy is used.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from robomtl.adaptation.meta.remembering import card_of, remembering, unconditioned
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.ranges import check_counts


@dataclass(frozen=True, kw_only=True)
class NearestNeighbour:
    """Repeats the actions of the support's steps that are nearest in state."""

    neighbours: int = 1
    """Number of steps whose actions are averaged, weighted by exp(-distance)."""

    objective: ClassVar[str | None] = None
    steps: ClassVar[int] = 0

    def __post_init__(self) -> None:
        """Checks the range.

        Raises:
            InputError: If ``neighbours`` is below 1.
        """
        check_counts(self, "neighbours")

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """A policy that stores the support; see ``Method``."""
        config = {"neighbours": self.neighbours}
        card = unconditioned(card_of(trained.card, "nearest_neighbour", config))
        normaliser = trained.policy.normaliser.state_dict(prefix="normaliser.")
        return remembering(card, normaliser, support)
