"""What the task is, as a Gaussian that every step of the demonstrations sharpens.

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

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from robomtl.adaptation.demonstration_encoder import (
    DemonstrationEncoder,
    Steps,
    steps_of,
)
from robomtl.adaptation.encoding import telling, whole
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.problems import Problems
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy, configure_objective
from robomtl.policy import Context, Loss, Policy
from robomtl.ranges import check_counts, check_not_negative
from robomtl.training.episodic import Episodic

_LEAST_VARIANCE = 1e-6  # Of a factor: its precision must stay finite.


class Gaussian(NamedTuple):
    """Independent normal variables."""

    mean: Tensor
    """(task, z)."""
    variance: Tensor
    """(task, z)."""

    def draw(self) -> Tensor:
        """A draw that gradients pass through, from torch's default generator."""
        return self.mean + self.variance.sqrt() * torch.randn_like(self.mean)

    def rows(self, count: int) -> "Gaussian":
        """Each task's repeated for its queries; (task · count, z)."""
        return Gaussian(*(each.repeat_interleave(count, dim=0) for each in self))


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


def divergence(first: Gaussian, second: Gaussian) -> Tensor:
    """KL(first ‖ second) in nats, summed over the variables; (task,)."""
    ratio = first.variance / second.variance
    distance = (first.mean - second.mean).square() / second.variance
    return 0.5 * (ratio + distance - 1 - ratio.log()).sum(-1)


def standard(like: Gaussian) -> Gaussian:
    """As many variables of mean 0 and variance 1."""
    return Gaussian(torch.zeros_like(like.mean), torch.ones_like(like.variance))


@dataclass(frozen=True, kw_only=True)
class PearlContextTraining(Problems):
    """Trains an encoder of demonstrations to a posterior, with the policy told of it."""

    size: int = 5
    """Number of variables that say what the task is."""
    width: int = 256
    """Units of the encoder's hidden layers."""
    beta: float = 0.1
    """Weight of the divergence from the prior; the scale of the actions' noise."""

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: If one is out of range.
        """
        super().__post_init__()
        check_counts(self, "size", "width")
        check_not_negative(self, "beta")

    @property
    def demonstration(self) -> int:
        """Length of what the policy is told."""
        return self.size

    def meta(self, policy: Policy) -> nn.Module:
        """The encoder: of a step, mean and variance of its factor."""
        spec = policy.spec
        inputs = spec.state + spec.action + 1
        return DemonstrationEncoder(inputs, width=self.width, outputs=2 * self.size)

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """The policy's loss on each query, told a draw, and the divergence's share."""
        belief = self.infer(policy, batch.context)
        queries = batch.query
        each = len(queries.task) // batch.tasks
        loss = policy.loss(telling(queries, batch.place, belief.rows(each).draw()))
        nats = divergence(belief, standard(belief))
        share = self.beta * nats / (each * queries.action[0].numel())
        return Loss(
            loss.per_sample + share.repeat_interleave(each),
            {**loss.metrics, "divergence": nats.detach().mean()},
        )

    def infer(self, policy: Policy, context: Context) -> Gaussian:
        """q(z|c) of each task; in float32."""
        return self._posterior(policy, steps_of(policy, context))

    def _posterior(self, policy: Policy, steps: Steps) -> Gaussian:
        assert policy.meta is not None
        mean, spread = policy.meta(steps.features).chunk(2, dim=-1)
        variance = functional.softplus(spread) + _LEAST_VARIANCE
        return product(mean, variance, steps.mask)


@dataclass(frozen=True, kw_only=True)
class PearlContext:
    """Tells the policy the mean of what the support says of the task."""

    objective: ClassVar[str | None] = "pearl_context"
    steps: ClassVar[int] = 0

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """The policy, told of the task; see ``Method``."""
        return tell(trained, support)


def tell(trained: TrainedPolicy, support: Support) -> Adapted:
    """A policy told the mean that its own objective infers from a support."""
    card, policy = trained.card, trained.policy
    objective = configure_objective(card.objective, card.objective_config)
    with torch.no_grad():
        context = whole(support, objective.context)
        inferred = objective.infer(policy, context).mean[0]
    if not inferred.isfinite().all():
        raise FloatingPointError("What was inferred is not finite.")
    told = card.conditioning.inferring(support.name, inferred)
    return Adapted(policy, replace(card, conditioning=told), parameters=len(inferred))
