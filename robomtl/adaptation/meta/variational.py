"""Variational task inference: Gaussians over the task vector, divergences and training."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robomtl.adaptation.meta.inferring import conditioned_on
from robomtl.adaptation.meta.problems import Problems
from robomtl.policy import Context, Loss, Policy
from robomtl.policy_contract import loss_of
from robomtl.ranges import check_counts, check_not_negative
from robomtl.training.episodic import Episodic


class Gaussian(NamedTuple):
    """Diagonal Gaussian over the task vector z of each task."""

    mean: Tensor
    """Mean of z; (task, z)."""
    variance: Tensor
    """Variance of each component of z; (task, z)."""

    def draw(self) -> Tensor:
        """A reparametrised sample from torch's default generator; (task, z)."""
        return self.mean + self.variance.sqrt() * torch.randn_like(self.mean)

    def rows(self, count: int) -> "Gaussian":
        """The Gaussian of each task repeated ``count`` times; (task · count, z)."""
        return Gaussian(*(each.repeat_interleave(count, dim=0) for each in self))


def divergence(first: Gaussian, second: Gaussian) -> Tensor:
    """KL(first ‖ second) in nats, summed over the components of z; (task,)."""
    ratio = first.variance / second.variance
    distance = (first.mean - second.mean).square() / second.variance
    return 0.5 * (ratio + distance - 1 - ratio.log()).sum(-1)


def standard(like: Gaussian) -> Gaussian:
    """A standard Gaussian in the shape of another one."""
    return Gaussian(torch.zeros_like(like.mean), torch.ones_like(like.variance))


def divergence_from_normal(mean: Tensor, log_std: Tensor) -> Tensor:
    """KL divergence of diagonal Gaussians from the standard Gaussian, in nats.

    Args:
        mean: Shape (task, size).
        log_std: Logarithm of the standard deviation; shape (task, size).

    Returns:
        Shape (task,).
    """
    variance = (2 * log_std).exp()
    return 0.5 * (mean.square() + variance - 1 - 2 * log_std).sum(-1)


@dataclass(frozen=True, kw_only=True)
class VariationalTraining(Problems):
    """Trains a posterior of the task vector and a policy conditioned on samples of it."""

    size: int
    """Length of the task vector."""
    width: int = 256
    """Units of the encoder's hidden layers."""
    beta: float = 0.1
    """Weight of the divergence: the scale of the action noise."""
    tasks: int = 8
    context: int = 16
    """Steps to which a demonstration is subsampled when the encoder reads all of it."""

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: If one is out of range.
        """
        super().__post_init__()
        check_counts(self, "context", "size", "width")
        check_not_negative(self, "beta")

    @property
    def demonstration(self) -> int:
        """Length of the task vector."""
        return self.size

    @property
    def subsampled(self) -> int:
        """See ``Problems``."""
        return self.context

    @abstractmethod
    def believed(self, policy: Policy, context: Context) -> Gaussian:
        """Posterior of each task vector given the task's demonstrations; in float32."""

    def infer(self, policy: Policy, context: Context) -> Tensor:
        """Posterior mean of each task vector; (task, size)."""
        return self.believed(policy, context).mean

    def bounded(
        self, policy: Policy, batch: Episodic, belief: Gaussian, prior: Gaussian
    ) -> Loss:
        """Loss of each query, conditioned on a sample of z, plus the weighted divergence.

        Args:
            policy: Policy that is conditioned on the samples.
            batch: Problems whose queries are scored.
            belief: Posterior of each task, from which z is sampled.
            prior: Prior of each task, from which the divergence is measured.
        """
        queries = batch.query
        count = len(queries.task) // batch.tasks
        loss = loss_of(
            policy,
            conditioned_on(queries, batch.inferred_slice, belief.rows(count).draw()),
        )
        nats = divergence(belief, prior)
        weighted = self.beta * nats / (count * queries.action[0].numel())
        return Loss(
            loss.per_sample + weighted.repeat_interleave(count),
            {**loss.metrics, "divergence": nats.detach().mean()},
        )
