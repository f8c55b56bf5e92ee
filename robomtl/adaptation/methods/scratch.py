"""Training from scratch: a new network of the same architecture, on the support alone.

The baseline that transfer is measured against. The normaliser is fitted on the support,
since there is no prior.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from robomtl.adaptation.meta.gradient import (
    Descent,
    descend,
    material_of,
    sampler_of,
    seed_of,
    trained_parameters,
)
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy, build
from robomtl.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Scratch(Descent):
    """Trains a new network of the policy's architecture on the support."""

    steps: int = 1000
    """Number of gradient steps, unless the budget gives one."""
    learning_rate: float = 1e-3
    """Initial learning rate of AdamW; it falls along half a cosine."""

    objective: ClassVar[str | None] = None

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """A new policy trained on the support; see ``Method``."""
        policy = _fresh(trained, generator)
        parameters = trained_parameters(policy)
        material = material_of(
            policy,
            support.demonstrations,
            trained.card.conditioning,
            instruction_augmentation=self.instruction_augmentation,
            augmentation=self.augmentation,
        )
        policy.fit_blocks(material.observations(0))
        config = self.descent(budget)
        descend(policy, sampler_of(material, generator), config)
        return Adapted(policy, trained.card, config.steps, parameters)


def _fresh(trained: TrainedPolicy, generator: Generator) -> Policy:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(generator))
        return build(trained.card).to(trained.policy.device)
