"""The task as a Gaussian that every step of the demonstrations sharpens.

Source: Rakelly et al. 2019, "Efficient Off-Policy Meta-Reinforcement Learning via
Probabilistic Context Variables" (arXiv:1903.08254), equation 1 and section 4: the
posterior q(z|c) ∝ Πₙ N(z; f(cₙ)), and the information bottleneck on it. Departures:

1. z serves behaviour cloning, not a critic, so a step tells state, action and progress
   instead of a transition with its reward.
2. The policy's loss is a mean over actions and their coordinates, not a log-density of a
   problem. As the scale of a Laplace density it divides by ``beta``; so the divergence
   is multiplied by ``beta``, and shared out to the queries and coordinates it serves.
3. Trials are played with the mean of z, not with draws of it.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from robomtl.adaptation.meta.encoding import StepEncoder, step_size, steps_of
from robomtl.adaptation.meta.inferring import InferringMethod
from robomtl.adaptation.meta.variational import Gaussian, VariationalTraining, standard
from robomtl.policy import Context, Loss, Policy
from robomtl.training.episodic import Episodic

_LEAST_VARIANCE = 1e-6  # Of a factor: its precision must stay finite.


def product(mean: Tensor, variance: Tensor, mask: Tensor) -> Gaussian:
    """The normalised product of Gaussian densities, those with mask 0 left out.

    Args:
        mean: Of the factors; (task, factor, z).
        variance: Of the factors; (task, factor, z).
        mask: 1 or 0, with at least one 1 for each task; (task, factor).
    """
    precision = mask[..., None] / variance
    total = precision.sum(1)
    return Gaussian((precision * mean).sum(1) / total, 1 / total)


@dataclass(frozen=True, kw_only=True)
class PearlContextTraining(VariationalTraining):
    """Trains an encoder whose Gaussians of steps multiply, and a policy conditioned on it."""

    size: int = 5

    def meta(self, policy: Policy) -> nn.Module:
        """The encoder: of a step, mean and variance of its factor."""
        return StepEncoder(step_size(policy), width=self.width, outputs=2 * self.size)

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """The policy's loss on each query, conditioned on a draw, plus the divergence."""
        belief = self.believed(policy, batch.context)
        return self.bounded(policy, batch, belief, standard(belief))

    def believed(self, policy: Policy, context: Context) -> Gaussian:
        """q(z|c) of each task; in float32."""
        assert policy.meta is not None
        steps = steps_of(policy, context)
        mean, spread = policy.meta(steps.features).chunk(2, dim=-1)
        variance = functional.softplus(spread) + _LEAST_VARIANCE
        return product(mean, variance, steps.mask)


@dataclass(frozen=True, kw_only=True)
class PearlContext(InferringMethod):
    """Conditions the policy on the posterior mean, a product of one Gaussian a step."""

    objective: ClassVar[str | None] = "pearl_context"
