"""Fine-tuning: the trained policy goes on learning, from the new task alone.

Source: the recipe of Octo (Octo Model Team 2024, arXiv:2405.12213, section III.C): all
weights, or the head alone, under a rate that warms up and falls.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Generator

from robomtl.adaptation.gradient import (
    copied,
    descend,
    material_of,
    sampler_of,
    trained_parameters,
)
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.conditioning import Augmentation
from robomtl.training.config import TrainConfig

Part = Literal["all", "head"]


@dataclass(frozen=True, kw_only=True)
class Finetune:
    """Trains all weights of a policy, or its head, on the support."""

    part: Part = "all"
    """What is trained."""
    steps: int = 300
    """Gradient steps, unless the budget has another number."""
    learning_rate: float = 5e-4
    """Largest learning rate of AdamW; it falls along half a cosine."""
    weight_decay: float = 1e-2
    """Weight decay of AdamW."""
    ema: float = 0.99
    """Decay of the averaged weights that act."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """How wordings are varied."""

    objective: ClassVar[str | None] = None

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """The policy after gradient steps on the support; see ``Method``."""
        policy = copied(trained.policy, self._trains)
        parameters = trained_parameters(policy)
        conditioning = trained.card.conditioning
        material = material_of(support, conditioning, self.augmentation, policy.chunk)
        config = TrainConfig(
            steps=budget.steps or self.steps,
            batch=budget.batch,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule="cosine",
            ema=self.ema,
        )
        descend(policy, sampler_of(material, generator), config)
        return Adapted(policy, trained.card, config.steps, parameters)

    def _trains(self, name: str) -> bool:
        if name.startswith("meta."):
            return False
        return self.part == "all" or name.startswith("head.")
