"""Open-loop replay of a demonstration: the baseline without any learning.

A trial replays the demonstration whose first state is nearest to that of the trial, both
standardised by the trained policy's normaliser; after its end the last action is repeated.

Demonstrations that were collected with action noise store the expert's actions, not the
executed ones, so replaying them does not retrace the trajectory even from the same start.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from robomtl.adaptation.meta.remembering import card_of, remembering, unconditioned
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Replays the demonstration whose initial state is nearest to the trial's."""

    objective: ClassVar[str | None] = None
    steps: ClassVar[int] = 0

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """A policy that stores the support; see ``Method``."""
        card = unconditioned(card_of(trained.card, "replay", {}))
        normaliser = trained.policy.normaliser.state_dict(prefix="normaliser.")
        return remembering(card, normaliser, support)
