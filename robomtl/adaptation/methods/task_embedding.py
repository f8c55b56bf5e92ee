"""Adapt the task encoder and its modulation of the network, and no other weights.

The trained weights are those of the encoder of the task embedding and, in architectures
that have them, of the layers by which the encoded task modulates the network: every
parameter with ``modulation`` in its name. For a network that is conditioned on its task,
this corresponds to adapting a context vector alone (Zintgraf et al. 2019, "Fast Context
Adaptation via Meta-Learning", CAVIA, section 3). Departures:

1. The layers that compute the vector are trained, not the vector.
2. The policy was trained by plain cloning; there is no meta-training.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from robomtl.adaptation.meta.cotraining import Transfer
from robomtl.adaptation.meta.gradient import copied, descend, trained_parameters
from robomtl.adaptation.meta.switching import switched
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy


@dataclass(frozen=True, kw_only=True)
class TaskEmbedding(Transfer):
    """Trains the task encoder and its modulation; the training tasks keep the old ones."""

    learning_rate: float = 2e-3
    """Initial learning rate of AdamW; it falls along half a cosine."""

    objective: ClassVar[str | None] = None
    trains_head: ClassVar[bool] = False
    """Whether the action head is trained; if not, policies without one are refused."""

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """A ``switched`` policy of the original and the adapted one; see ``Method``."""
        config = self.descent(budget)
        policy = copied(trained.policy, tells)
        parameters = trained_parameters(policy)
        descend(policy, self.draws(trained, support, generator), config)
        return Adapted(*switched(trained, policy, support), config.steps, parameters)


def tells(name: str) -> bool:
    """Whether a parameter belongs to the task encoder or to a modulation layer."""
    return name.startswith("encoder.") or "modulation" in name
