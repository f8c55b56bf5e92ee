"""Black-box meta-learning: an encoder infers a task vector from the demonstrations.

Training is episodic: an encoder maps some demonstrations of a task to a vector, and the
policy, conditioned on it, clones other demonstrations of the same task,

    min over θ, φ of Σ_i L_BC(θ; D_i^query, z = h_φ(D_i^support)).

Adaptation is one forward pass of the encoder. Source: the mean of the conditional neural
process of Garnelo et al. 2018 (arXiv:1807.01613, equations 1 to 3), applied to cloning;
the bottleneck is that of Yin et al. 2020, "Meta-learning without memorization"
(arXiv:1912.03820, section 4.1), with a standard normal prior. Departures:

1. The number of demonstrations varies between problems; in a few problems there is none,
   and the vector is zero.
"""

from dataclasses import dataclass
from typing import ClassVar, get_args

import torch
from einops import repeat
from torch import Tensor

from robomtl.adaptation.meta.encoding import (
    PooledEncoder,
    Pooling,
    encoder_of,
    standardised,
    step_size,
)
from robomtl.adaptation.meta.inferring import InferringMethod, conditioned_on, withheld
from robomtl.adaptation.meta.problems import Problems
from robomtl.adaptation.meta.variational import divergence_from_normal
from robomtl.errors import InputError
from robomtl.nearest import check_known
from robomtl.policy import Context, Loss, Policy
from robomtl.policy_contract import loss_of
from robomtl.ranges import check_counts, check_not_negative, check_parts
from robomtl.training.episodic import Episodic


@dataclass(frozen=True, kw_only=True)
class ContextTraining(Problems):
    """Trains a policy together with an encoder of demonstrations."""

    size: int = 32
    """Length of the task vector."""
    width: int = 128
    """Units of the encoder."""
    pooling: Pooling = "mean"
    """Pooling of steps: ``mean``, or ``attention``, which learns weights of the steps."""
    steps: int = 20
    """Steps to which a demonstration is subsampled."""
    withhold: float = 0.1
    """Fraction of the training problems in which all demonstrations are masked."""
    bottleneck: float = 0.0
    """Weight of the divergence of the inferred vector from a standard normal, which
    discourages memorising tasks; 0 infers without noise."""

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: If one is out of range.
        """
        super().__post_init__()
        check_counts(self, "size", "width", "steps")
        check_known("pooling", self.pooling, get_args(Pooling))
        if self.pooling == "attention" and self.width % 4:
            raise InputError(
                f"width is {self.width}; attention pooling needs a multiple of 4, the"
                " number of its queries."
            )
        check_parts(self, "withhold")
        check_not_negative(self, "bottleneck")

    @property
    def demonstration(self) -> int:
        """Length of the task vector."""
        return self.size

    def meta(self, policy: Policy) -> PooledEncoder:
        """Encoder of demonstrations, trained with the policy."""
        outputs = 2 * self.size if self.bottleneck else self.size
        return PooledEncoder(step_size(policy), self.width, outputs, self.pooling)

    @property
    def subsampled(self) -> int:
        """See ``Problems``."""
        return self.steps

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """Policy loss of each query, conditioned on the vector inferred from the support."""
        training = policy.training
        context = withheld(batch.context, self.withhold) if training else batch.context
        mean, log_std = self._inferred(policy, context)
        noise = torch.randn_like(mean) if training else torch.zeros_like(mean)
        inferred = mean + log_std.exp() * noise if self.bottleneck else mean
        loss = loss_of(
            policy, conditioned_on(batch.query, batch.inferred_slice, inferred)
        )
        if not self.bottleneck:
            return loss
        divergence = divergence_from_normal(mean, log_std)
        rows = repeat(
            divergence,
            "task -> (task sample)",
            sample=len(batch.task) // len(divergence),
        )
        metrics = {**loss.metrics, "divergence": divergence.mean().detach()}
        return Loss(loss.per_sample + self.bottleneck * rows, metrics)

    def infer(self, policy: Policy, context: Context) -> Tensor:
        """Inferred vector of each task; (task, size)."""
        return self._inferred(policy, context)[0]

    def _inferred(self, policy: Policy, context: Context) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of the vector, each (task, size)."""
        encoded = encoder_of(policy)(standardised(policy, context)).float()
        if not self.bottleneck:
            return encoded, torch.zeros_like(encoded)
        mean, log_std = encoded.chunk(2, dim=-1)
        return mean, log_std.clamp(-5.0, 2.0)


@dataclass(frozen=True, kw_only=True)
class PooledContext(InferringMethod):
    """Conditions the policy on the vector that its encoder infers from the support."""

    objective: ClassVar[str | None] = "context"
