"""PEARL's context encoder: a Gaussian over the task vector with one factor for each step.

Source: Rakelly et al. 2019, "Efficient Off-Policy Meta-Reinforcement Learning via
Probabilistic Context Variables" (arXiv:1903.08254), equation 1 and section 4: the
posterior q(z|c) ∝ Πₙ N(z; f(cₙ)), and the information bottleneck on it. Departures:

1. z conditions a cloned policy, not a critic, so a step has state, action and progress
   instead of a transition with its reward.
2. The policy's loss is a mean over actions and their coordinates, not the log-density of a
   problem. An absolute error divided by ``beta`` is the negative log-density of a Laplace
   distribution of scale ``beta``; so the divergence is multiplied by ``beta`` and divided
   by the number of queries and coordinates of its problem.
3. The policy acts with the mean of z, not with samples of it.
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

_LEAST_VARIANCE = 1e-6  # Keeps the precision of a factor finite.


def product(mean: Tensor, variance: Tensor, mask: Tensor) -> Gaussian:
    """Normalised product of the Gaussian densities with mask 1.

    Args:
        mean: Means of the factors; (task, factor, z).
        variance: Variances of the factors; (task, factor, z).
        mask: 1 or 0, with at least one 1 for each task; (task, factor).
    """
    precision = mask[..., None] / variance
    total = precision.sum(1)
    return Gaussian((precision * mean).sum(1) / total, 1 / total)


@dataclass(frozen=True, kw_only=True)
class PearlContextTraining(VariationalTraining):
    """Trains an encoder of one Gaussian factor per step and a policy conditioned on z."""

    size: int = 5

    def meta(self, policy: Policy) -> nn.Module:
        """Encoder of a step to the mean and variance of its factor."""
        return StepEncoder(step_size(policy), width=self.width, outputs=2 * self.size)

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """Loss of each query, conditioned on a sample of z, plus the weighted divergence."""
        belief = self.believed(policy, batch.context)
        return self.bounded(policy, batch, belief, standard(belief))

    def believed(self, policy: Policy, context: Context) -> Gaussian:
        """Posterior q(z|c) of each task; in float32."""
        assert policy.meta is not None
        steps = steps_of(policy, context)
        mean, spread = policy.meta(steps.features).chunk(2, dim=-1)
        variance = functional.softplus(spread) + _LEAST_VARIANCE
        return product(mean, variance, steps.mask)


@dataclass(frozen=True, kw_only=True)
class PearlContext(InferringMethod):
    """Conditions the policy on the posterior mean of a product of one Gaussian per step."""

    objective: ClassVar[str | None] = "pearl_context"
