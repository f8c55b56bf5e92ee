"""Adapting the task encoder and its modulation of the network, and nothing else.

Trained are the encoder of the task embedding and, in architectures that have them, the
layers by which the encoded task modulates the network: every parameter whose name holds
``modulation``. What the network does with states is left as it is. This is the
conditional network's counterpart of adapting a context vector alone (Zintgraf et al. 2019,
"Fast Context Adaptation via Meta-Learning", CAVIA, section 3); departures:

1. The layers that make the vector are trained, not the vector.
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
    """Trains the encoder of the task and its modulation; the old tasks keep theirs."""

    learning_rate: float = 2e-3
    """Largest learning rate of AdamW; it falls along half a cosine."""

    objective: ClassVar[str | None] = None
    trains_head: ClassVar[bool] = False
    """A policy whose features alone were pre-trained is refused."""

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """The original policy, and one with another task encoder; see ``Method``."""
        config = self.descent(budget)
        policy = copied(trained.policy, tells)
        parameters = trained_parameters(policy)
        descend(policy, self.draws(trained, support, generator), config)
        return Adapted(*switched(trained, policy, support), config.steps, parameters)


def tells(name: str) -> bool:
    """Whether a parameter is of the task's encoder or of a modulation."""
    return name.startswith("encoder.") or "modulation" in name
