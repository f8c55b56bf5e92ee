"""No adaptation: the trained policy, conditioned on the new task."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy


@dataclass(frozen=True, kw_only=True)
class ZeroShot:
    """Leaves the policy as it is and looks at no demonstration."""

    objective: ClassVar[str | None] = None
    trains_head: ClassVar[bool] = False
    """A policy whose features alone were pre-trained is refused."""
    steps: ClassVar[int] = 0
    looks_at_support: ClassVar[bool] = False
    """Shots and draws change nothing, so a comparison plays it once."""

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """The policy itself; see ``Method``."""
        return Adapted(trained.policy, trained.card)
