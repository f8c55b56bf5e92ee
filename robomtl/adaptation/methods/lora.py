"""Low-rank adaptation: the weights stay, a product of two thin matrices is added.

Source: Hu et al. 2021, arXiv:2106.09685, section 4.1, equation 3:
h = W0 x + (α/r) B A x, with A drawn from a Gaussian and B = 0 at the start. Departures:

1. Every linear layer of the part is adapted, not those of attention only.
2. A layer takes no greater rank than its matrix can have; α/r stays.
3. The deviation of A, which the paper leaves open, is 1/√inputs, so that A x is as large
   as x is.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from robomtl.adaptation.meta.cotraining import Transfer
from robomtl.adaptation.meta.gradient import copied, descend, trained_parameters
from robomtl.adaptation.meta.parts import Part, belongs, check_part
from robomtl.adaptation.meta.switching import switched
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.policy import Policy
from robomtl.ranges import check_counts, check_positive


class LowRank(nn.Module):
    """Adds a matrix of low rank to the weight of a layer; nothing at the start.

    Args:
        layer: Its weight has shape (outputs, inputs).
        rank: r, columns of B and rows of A.
        alpha: α; the product is scaled by α/r.
        generator: Draws A.
    """

    def __init__(
        self, layer: nn.Linear, *, rank: int, alpha: float, generator: Generator
    ) -> None:
        super().__init__()
        outputs, inputs = layer.weight.shape
        kept = min(rank, outputs, inputs)  # Departure 2.
        drawn = torch.randn(kept, inputs, generator=generator) * inputs**-0.5
        self.a = nn.Parameter(drawn.to(layer.weight.device))  # Departure 3.
        self.b = nn.Parameter(layer.weight.new_zeros(outputs, kept))
        self.scale = alpha / rank

    def forward(self, weight: Tensor) -> Tensor:
        """W0 + (α/r) B A; (outputs, inputs)."""
        return weight + self.scale * (self.b @ self.a)


@dataclass(frozen=True, kw_only=True)
class Lora(Transfer):
    """Trains a matrix of low rank beside each weight; the old tasks keep the old ones."""

    learning_rate: float = 2e-3
    """Largest learning rate of AdamW; it falls along half a cosine."""
    part: Part = "all"
    """Whose linear layers are adapted; see ``robomtl.adaptation.meta.parts``."""
    rank: int = 8
    """r, the rank of what is added."""
    alpha: float = 16.0
    """α; what is added is scaled by α/r."""

    objective: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: If one is out of range.
        """
        super().__post_init__()
        check_part(self.part)
        check_counts(self, "rank")
        check_positive(self, "alpha")

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """The old policy, and a changed one for the new task; see ``Method``."""
        config = self.descent(budget)
        policy = copied(trained.policy, lambda name: False)
        self.factorise(policy, generator)
        parameters = trained_parameters(policy)
        descend(policy, self.draws(trained, support, generator), config)
        merge(policy)
        return Adapted(*switched(trained, policy, support), config.steps, parameters)

    def factorise(self, policy: Policy, generator: Generator) -> None:
        """Gives the part's linear layers their ``LowRank``; only that is trained."""
        for name, layer in list(policy.named_modules()):
            if not isinstance(layer, nn.Linear) or not layer.in_features:
                continue
            if belongs(policy, self.part, name):
                added = LowRank(
                    layer, rank=self.rank, alpha=self.alpha, generator=generator
                )
                parametrize.register_parametrization(layer, "weight", added)


def merge(policy: Policy) -> None:
    """Adds what was learned to the weights: W0 + (α/r) B A."""
    for layer in policy.modules():
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")
