"""Retrieval in context: acts by the steps of the support that are nearest to here.

Training is that of ``in_context``, with prompts of more steps, by the policy ``regent``;
``robomtl.policies.regent`` has the source, the equation and the departures.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Generator

from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.methods.in_context import InContext, InContextTraining
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.errors import InputError
from robomtl.policy import Policy
from robomtl.ranges import check_not_negative


@dataclass(frozen=True, kw_only=True)
class RegentTraining(InContextTraining):
    """Trains a policy to act by the steps of its prompt that are nearest."""

    steps: int = 64

    architecture: ClassVar[str] = "regent"

    def check(self, name: str, policy: type[Policy]) -> None:
        """Refuses a policy that does not retrieve; see ``Particular``.

        Raises:
            InputError: If it is another one.
        """
        if name != self.architecture:
            raise InputError(
                f"The objective regent trains the policy regent, not {name}; take"
                " policy='regent', or the objective in_context."
            )


@dataclass(frozen=True, kw_only=True)
class Regent(InContext):
    """Puts the support into the prompt from which the policy retrieves."""

    copying: float = 0.0
    """λ: how fast the weight of the nearest step's own action falls with its distance. 0
    for the predicted action alone."""

    objective: ClassVar[str | None] = "regent"

    def __post_init__(self) -> None:
        """Checks the rate.

        Raises:
            InputError: If it is negative.
        """
        check_not_negative(self, "copying")

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """A copy of the policy that remembers the support; see ``Method``."""
        adapted = super().adapt(trained, support, budget, generator)
        policy = adapted.policy
        policy.config = replace(policy.config, copying=self.copying)
        config = {**adapted.card.config, "copying": self.copying}
        return adapted._replace(card=replace(adapted.card, config=config))
