"""Nearest neighbours in the standardised state: the baseline that only compares.

The state is standardised as the trained policy does it, by the data of its own tasks: one
demonstration is too little to say how far each number of the state goes. Nothing else of
the trained policy is used.
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
    """Does what was done in the support's steps nearest in state."""

    neighbours: int = 1
    """Steps whose actions are averaged, weighted by exp(-distance)."""

    objective: ClassVar[str | None] = None
    steps: ClassVar[int] = 0

    def __post_init__(self) -> None:
        """Checks the number.

        Raises:
            InputError: If no neighbour is to count.
        """
        check_counts(self, "neighbours")

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """A policy that remembers the support; see ``Method``."""
        config = {"neighbours": self.neighbours}
        card = unconditioned(card_of(trained.card, "nearest_neighbour", config))
        normaliser = trained.policy.normaliser.state_dict(prefix="normaliser.")
        return remembering(card, normaliser, support)
