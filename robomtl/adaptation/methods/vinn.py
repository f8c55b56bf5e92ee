"""Nearest neighbours in the features of the trained policy.

Source: Pari et al. 2021 (VINN, arXiv:2112.01511); see ``robomtl.policies.vinn`` for the
departure and ``robomtl.policies.nearest_neighbour`` for the equation.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from robomtl.adaptation.meta.remembering import card_of, remembering
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.policy import Policy
from robomtl.ranges import check_counts


@dataclass(frozen=True, kw_only=True)
class VINN:
    """Repeats the actions of the support's steps that are nearest in features."""

    neighbours: int = 5
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
        """A policy that stores the support; see ``Method``.

        Raises:
            ValueError: If the trained policy does not derive from ``HeadPolicy``.
        """
        config = {
            "neighbours": self.neighbours,
            "base": trained.card.policy,
            "base_config": dict(trained.card.config),
        }
        card = card_of(trained.card, "vinn", config)
        return remembering(card, _weights(trained.policy), support)


def _weights(policy: Policy) -> dict[str, Tensor]:
    """The policy's weights under the prefix ``base.``, and its normaliser."""
    state = policy.state_dict(prefix="base.")
    base = {n: v for n, v in state.items() if not n.startswith("base.meta.")}
    return {**base, **policy.normaliser.state_dict(prefix="normaliser.")}
