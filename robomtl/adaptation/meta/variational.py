"""The task as independent normal variables: divergence and training."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robomtl.adaptation.meta.inferring import telling
from robomtl.adaptation.meta.problems import Problems
from robomtl.policy import Context, Loss, Policy
from robomtl.policy_border import loss_of
from robomtl.ranges import check_counts, check_not_negative
from robomtl.training.episodic import Episodic


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


def divergence(first: Gaussian, second: Gaussian) -> Tensor:
    """KL(first ‖ second) in nats, summed over the variables; (task,)."""
    ratio = first.variance / second.variance
    distance = (first.mean - second.mean).square() / second.variance
    return 0.5 * (ratio + distance - 1 - ratio.log()).sum(-1)


def standard(like: Gaussian) -> Gaussian:
    """As many variables of mean 0 and variance 1."""
    return Gaussian(torch.zeros_like(like.mean), torch.ones_like(like.variance))


def divergence_from_normal(mean: Tensor, log_std: Tensor) -> Tensor:
    """KL divergence of diagonal normals from the standard one, in nats.

    Args:
        mean: Shape (task, size).
        log_std: Shape (task, size).

    Returns:
        Shape (task,).
    """
    variance = (2 * log_std).exp()
    return 0.5 * (mean.square() + variance - 1 - 2 * log_std).sum(-1)


@dataclass(frozen=True, kw_only=True)
class VariationalTraining(Problems):
    """Trains a posterior of the task vector, with the policy conditioned on a draw."""

    size: int
    """Number of variables that say what the task is."""
    width: int = 256
    """Units of the encoder's hidden layers."""
    beta: float = 0.1
    """Weight of the divergence; the scale of the actions' noise."""
    tasks: int = 8
    context: int = 16
    """Steps to which a demonstration is subsampled where it is read as a whole."""

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
        """Length of the vector that the policy is conditioned on."""
        return self.size

    @property
    def subsampled(self) -> int:
        """See ``Problems``."""
        return self.context

    @abstractmethod
    def believed(self, policy: Policy, context: Context) -> Gaussian:
        """The posterior of each task given its demonstrations; in float32."""

    def infer(self, policy: Policy, context: Context) -> Tensor:
        """The mean of what is believed of each task; (task, size)."""
        return self.believed(policy, context).mean

    def bounded(
        self, policy: Policy, batch: Episodic, belief: Gaussian, prior: Gaussian
    ) -> Loss:
        """The policy's loss on each query, conditioned on a draw, plus the divergence.

        Args:
            policy: Is conditioned on the draw.
            batch: Has the queries.
            belief: What is drawn from, of each task.
            prior: What it is held to.
        """
        queries = batch.query
        each = len(queries.task) // batch.tasks
        loss = loss_of(policy, telling(queries, batch.place, belief.rows(each).draw()))
        nats = divergence(belief, prior)
        share = self.beta * nats / (each * queries.action[0].numel())
        return Loss(
            loss.per_sample + share.repeat_interleave(each),
            {**loss.metrics, "divergence": nats.detach().mean()},
        )
