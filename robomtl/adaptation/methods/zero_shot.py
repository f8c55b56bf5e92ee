"""Zero-shot: the trained policy, conditioned on the new task, without adaptation."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy


@dataclass(frozen=True, kw_only=True)
class ZeroShot:
    """Returns the policy unchanged and uses no demonstration."""

    objective: ClassVar[str | None] = None
    trains_head: ClassVar[bool] = False
    """Whether the action head is trained; if not, policies without one are refused."""
    steps: ClassVar[int] = 0
    uses_support: ClassVar[bool] = False
    """Whether the result depends on the support; if not, a comparison evaluates it once."""

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """The policy itself; see ``Method``."""
        return Adapted(trained.policy, trained.card)
