"""A neural process: what the task is, as drawn from the mean of all steps seen.

Source: Garnelo et al. 2018, "Neural Processes" (arXiv:1807.01622), section 2: minimised
is −E[log p(y_T | x_T, z)] + KL(q(z|C ∪ T) ‖ q(z|C)), z drawn from q(z|C ∪ T), with the
support as context C and the queries as targets T. Departures:

1. The policy's loss stands for the log-density; see departure 2 of ``pearl_context``.
2. Trials are played with the mean of q(z|C), not with draws of it.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from torch import Generator, Tensor, nn

from robomtl.adaptation.demonstration_encoder import (
    DemonstrationEncoder,
    Steps,
    steps_of,
)
from robomtl.adaptation.encoding import telling
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.pearl_context import Gaussian, divergence, tell
from robomtl.adaptation.problems import Problems
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.policy import Batch, Context, Loss, Policy
from robomtl.ranges import check_counts, check_not_negative
from robomtl.training.episodic import Episodic

# Deviations lie between 0.1 and 1, as in the authors' code: a narrower posterior makes
# the divergence explode, a wider one tells nothing.
_LEAST_DEVIATION = 0.1


class ProcessEncoder(nn.Module):
    """Pools steps by their mean and says what is believed of z.

    Args:
        inputs: Length of a step's features.
        width: Units of the hidden layers, and length of the mean.
        size: Number of variables.
    """

    def __init__(self, inputs: int, *, width: int, size: int) -> None:
        super().__init__()
        self.steps = DemonstrationEncoder(inputs, width=width, outputs=width)
        self.belief = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2 * size)
        )

    def forward(self, steps: Steps) -> Gaussian:
        """q(z|steps) of each task; in float32."""
        pooled = masked_mean(self.steps(steps.features), steps.mask)
        mean, spread = self.belief(pooled).float().chunk(2, dim=-1)
        deviation = _LEAST_DEVIATION + (1 - _LEAST_DEVIATION) * spread.sigmoid()
        return Gaussian(mean, deviation.square())


def masked_mean(said: Tensor, mask: Tensor) -> Tensor:
    """The mean of the steps that are there; (task, step, feature) -> (task, feature)."""
    total = (said * mask[..., None]).sum(1)
    return total / mask.sum(1, keepdim=True)


@dataclass(frozen=True, kw_only=True)
class NeuralProcessTraining(Problems):
    """Trains an encoder of steps to a posterior, with the policy told of it."""

    size: int = 16
    """Number of variables that say what the task is."""
    width: int = 256
    """Units of the encoder's hidden layers."""
    beta: float = 0.1
    """Weight of the divergence; the scale of the actions' noise."""

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
        """The encoder; single frames, as queries are, know no progress."""
        inputs = policy.spec.state + policy.spec.action
        return ProcessEncoder(inputs, width=self.width, size=self.size)

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """The policy's loss on each query, told a draw, and the divergence's share."""
        queries = batch.query
        each = len(queries.task) // batch.tasks
        seen = steps_of(policy, batch.context, progress=False)
        before = _believed(policy, seen)
        after = _believed(policy, _joined(seen, _frames(policy, queries, each)))
        loss = policy.loss(telling(queries, batch.place, after.rows(each).draw()))
        nats = divergence(after, before)
        share = self.beta * nats / (each * queries.action[0].numel())
        return Loss(
            loss.per_sample + share.repeat_interleave(each),
            {**loss.metrics, "divergence": nats.detach().mean()},
        )

    def infer(self, policy: Policy, context: Context) -> Gaussian:
        """q(z|C) of each task; in float32."""
        return _believed(policy, steps_of(policy, context, progress=False))


@dataclass(frozen=True, kw_only=True)
class NeuralProcess:
    """Tells the policy the mean of what the support says of the task."""

    objective: ClassVar[str | None] = "neural_process"
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


def _believed(policy: Policy, steps: Steps) -> Gaussian:
    assert isinstance(policy.meta, ProcessEncoder)
    belief: Gaussian = policy.meta(steps)
    return belief


def _frames(policy: Policy, queries: Batch, each: int) -> Steps:
    """Queries as steps of their problems."""
    state = policy.normaliser(queries.observation["state"])
    features = torch.cat([state, queries.action[:, 0]], dim=-1)
    by_task = rearrange(features, "(task step) feature -> task step feature", step=each)
    return Steps(by_task, torch.ones_like(by_task[..., 0]))


def _joined(first: Steps, second: Steps) -> Steps:
    return Steps(*(torch.cat(pair, dim=1) for pair in zip(first, second, strict=True)))
