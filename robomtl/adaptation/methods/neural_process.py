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
from torch import Tensor, nn

from robomtl.adaptation.meta.encoding import StepEncoder, Steps, step_size, steps_of
from robomtl.adaptation.meta.inferring import InferringMethod
from robomtl.adaptation.meta.variational import Gaussian, VariationalTraining
from robomtl.policy import Batch, Context, Loss, Policy
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
        self.steps = StepEncoder(inputs, width=width, outputs=width)
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
class NeuralProcessTraining(VariationalTraining):
    """Trains an encoder of the mean over steps and a policy conditioned on its posterior."""

    size: int = 16

    def meta(self, policy: Policy) -> nn.Module:
        """The encoder; single frames, as queries are, know no progress."""
        return ProcessEncoder(_step_size(policy), width=self.width, size=self.size)

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """The policy's loss on each query, conditioned on a draw, plus the divergence."""
        seen = _seen(policy, batch.context)
        target = _frames(policy, batch.query, batch.tasks)
        after = _believed(policy, _joined(seen, target))
        return self.bounded(policy, batch, after, _believed(policy, seen))

    def believed(self, policy: Policy, context: Context) -> Gaussian:
        """q(z|C) of each task; in float32."""
        return _believed(policy, _seen(policy, context))


@dataclass(frozen=True, kw_only=True)
class NeuralProcess(InferringMethod):
    """Conditions the policy on the posterior mean, encoded from the mean of all steps."""

    objective: ClassVar[str | None] = "neural_process"


def _believed(policy: Policy, steps: Steps) -> Gaussian:
    assert isinstance(policy.meta, ProcessEncoder)
    belief: Gaussian = policy.meta(steps)
    return belief


def _step_size(policy: Policy) -> int:
    """Without the progress, which single frames do not know."""
    return step_size(policy) - 1


def _seen(policy: Policy, context: Context) -> Steps:
    """Steps without their progress."""
    steps = steps_of(policy, context)
    return steps._replace(features=steps.features[..., : _step_size(policy)])


def _frames(policy: Policy, queries: Batch, tasks: int) -> Steps:
    """Queries as steps of their problems."""
    state = policy.observed(queries.observation)
    features = torch.cat([state, queries.action[:, 0]], dim=-1)
    by_task = rearrange(
        features, "(task step) feature -> task step feature", task=tasks
    )
    return Steps(by_task, torch.ones_like(by_task[..., 0]))


def _joined(first: Steps, second: Steps) -> Steps:
    return Steps(*(torch.cat(pair, dim=1) for pair in zip(first, second, strict=True)))
