"""REGENT: acts by retrieving the nearest steps of the support.

The policy ``regent`` is trained as by ``in_context``, with longer prompts; see
``robomtl.policies.regent`` for source, equation and departures.
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
    """Trains a policy that retrieves the nearest steps of its prompt."""

    steps: int = 64

    architecture: ClassVar[str] = "regent"

    def check(self, name: str, policy: type[Policy]) -> None:
        """Refuses any policy but ``regent``; see ``RestrictedObjective``.

        Raises:
            InputError: If the policy is another one.
        """
        if name != self.architecture:
            raise InputError(
                f"The objective regent trains the policy regent, not {name}; choose"
                " policy='regent', or the objective in_context."
            )


@dataclass(frozen=True, kw_only=True)
class Regent(InContext):
    """Makes the support the prompt from which the policy retrieves."""

    copying: float = 0.0
    """Rate λ at which the weight exp(-λ · distance) of the nearest step's action falls; 0
    to use the predicted action alone."""

    objective: ClassVar[str | None] = "regent"

    def __post_init__(self) -> None:
        """Checks the rate.

        Raises:
            InputError: If ``copying`` is negative.
        """
        check_not_negative(self, "copying")

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """A copy of the policy with the support as its prompt; see ``Method``."""
        adapted = super().adapt(trained, support, budget, generator)
        policy = adapted.policy
        policy.config = replace(policy.config, copying=self.copying)
        config = {**adapted.card.config, "copying": self.copying}
        return adapted._replace(card=replace(adapted.card, config=config))
