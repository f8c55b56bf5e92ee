"""A neural process: a Gaussian over the task vector from the mean encoding of all steps.

Source: Garnelo et al. 2018, "Neural Processes" (arXiv:1807.01622), section 2: the loss
is −E[log p(y_T | x_T, z)] + KL(q(z|C ∪ T) ‖ q(z|C)), z drawn from q(z|C ∪ T), with the
support as context C and the queries as targets T. Departures:

1. The policy's loss replaces the negative log-density; see departure 2 of
   ``pearl_context``.
2. The policy acts with the mean of q(z|C), not with samples of it.
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

# Standard deviations lie between 0.1 and 1, as in the authors' code: with a narrower
# posterior the divergence explodes, and a wider one carries no information.
_LEAST_STD = 0.1


class ProcessEncoder(nn.Module):
    """Encodes steps, averages the encodings and predicts a Gaussian over z.

    Args:
        inputs: Length of a step's features.
        width: Units of the hidden layers, and length of the mean encoding.
        size: Length of z.
    """

    def __init__(self, inputs: int, *, width: int, size: int) -> None:
        super().__init__()
        self.steps = StepEncoder(inputs, width=width, outputs=width)
        self.belief = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2 * size)
        )

    def forward(self, steps: Steps) -> Gaussian:
        """Posterior q(z|steps) of each task; in float32."""
        pooled = masked_mean(self.steps(steps.features), steps.mask)
        mean, spread = self.belief(pooled).float().chunk(2, dim=-1)
        std = _LEAST_STD + (1 - _LEAST_STD) * spread.sigmoid()
        return Gaussian(mean, std.square())


def masked_mean(encoded: Tensor, mask: Tensor) -> Tensor:
    """Mean encoding of the steps with mask 1; (task, feature)."""
    total = (encoded * mask[..., None]).sum(1)
    return total / mask.sum(1, keepdim=True)


@dataclass(frozen=True, kw_only=True)
class NeuralProcessTraining(VariationalTraining):
    """Trains a neural process together with a policy conditioned on its task vector."""

    size: int = 16

    def meta(self, policy: Policy) -> nn.Module:
        """Encoder of steps, trained with the policy."""
        return ProcessEncoder(_step_size(policy), width=self.width, size=self.size)

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """Loss of each query, conditioned on a sample of z, plus the weighted divergence."""
        context = _context_steps(policy, batch.context)
        targets = _target_steps(policy, batch.query, batch.tasks)
        after = _believed(policy, _joined(context, targets))
        return self.bounded(policy, batch, after, _believed(policy, context))

    def believed(self, policy: Policy, context: Context) -> Gaussian:
        """Posterior q(z|C) of each task; in float32."""
        return _believed(policy, _context_steps(policy, context))


@dataclass(frozen=True, kw_only=True)
class NeuralProcess(InferringMethod):
    """Conditions the policy on the posterior mean that a neural process infers."""

    objective: ClassVar[str | None] = "neural_process"


def _believed(policy: Policy, steps: Steps) -> Gaussian:
    assert isinstance(policy.meta, ProcessEncoder)
    belief: Gaussian = policy.meta(steps)
    return belief


def _step_size(policy: Policy) -> int:
    """Length of a step without its progress, which queries, single frames, do not have."""
    return step_size(policy) - 1


def _context_steps(policy: Policy, context: Context) -> Steps:
    """Steps of the support, without their progress."""
    steps = steps_of(policy, context)
    return steps._replace(features=steps.features[..., : _step_size(policy)])


def _target_steps(policy: Policy, queries: Batch, tasks: int) -> Steps:
    """Queries as steps of their problems: state and first action of the chunk."""
    state = policy.observed(queries.observation)
    features = torch.cat([state, queries.action[:, 0]], dim=-1)
    by_task = rearrange(
        features, "(task step) feature -> task step feature", task=tasks
    )
    return Steps(by_task, torch.ones_like(by_task[..., 0]))


def _joined(first: Steps, second: Steps) -> Steps:
    return Steps(*(torch.cat(pair, dim=1) for pair in zip(first, second, strict=True)))
