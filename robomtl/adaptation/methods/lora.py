"""Low-rank adaptation (LoRA): trains a low-rank matrix that is added to fixed weights.

Source: Hu et al. 2021, arXiv:2106.09685, section 4.1, equation 3:
h = W0 x + (α/r) B A x, with A drawn from a Gaussian and B = 0 at the start. Departures:

1. Every linear layer of the part is adapted, not only those of attention.
2. The rank of a layer is at most that of its matrix; α/r is unchanged.
3. The standard deviation of A, which the paper leaves open, is 1/√inputs, so that the
   entries of A x have the magnitude of those of x.
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
    """Adds a low-rank matrix, initially zero, to the weight of a layer.

    Args:
        layer: Linear layer with a weight of shape (outputs, inputs).
        rank: r, the number of columns of B and rows of A.
        alpha: α; the product is scaled by α/r.
        generator: Source of the initial A.
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
        """Adapted weight W0 + (α/r) B A; (outputs, inputs)."""
        return weight + self.scale * (self.b @ self.a)


@dataclass(frozen=True, kw_only=True)
class Lora(Transfer):
    """Trains a low-rank update of each weight; the training tasks keep the old weights."""

    learning_rate: float = 2e-3
    """Initial learning rate of AdamW; it falls along half a cosine."""
    part: Part = "all"
    """Part whose linear layers are adapted; see ``robomtl.adaptation.meta.parts``."""
    rank: int = 8
    """Rank r of the update."""
    alpha: float = 16.0
    """Scale α of the update, which is multiplied by α/r."""

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
        """A ``switched`` policy of the original and the adapted one; see ``Method``."""
        config = self.descent(budget)
        policy = copied(trained.policy, lambda name: False)
        self.factorise(policy, generator)
        parameters = trained_parameters(policy)
        descend(policy, self.draws(trained, support, generator), config)
        merge(policy)
        return Adapted(*switched(trained, policy, support), config.steps, parameters)

    def factorise(self, policy: Policy, generator: Generator) -> None:
        """Adds a trainable ``LowRank`` to each linear layer of the part, in place."""
        for name, layer in list(policy.named_modules()):
            if not isinstance(layer, nn.Linear) or not layer.in_features:
                continue
            if belongs(policy, self.part, name):
                added = LowRank(
                    layer, rank=self.rank, alpha=self.alpha, generator=generator
                )
                parametrize.register_parametrization(layer, "weight", added)


def merge(policy: Policy) -> None:
    """Merges the low-rank updates into the weights, in place: W0 + (α/r) B A."""
    for layer in policy.modules():
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")
