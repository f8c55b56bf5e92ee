"""Networks that read demonstrations: step by step, or pooled to one vector.

A pooled vector is the mean of what a small network sees at each step of all
demonstrations, so that neither their order nor their number matters.
"""

from typing import Literal, NamedTuple, cast

import torch
from einops import rearrange, reduce, repeat
from torch import Tensor, nn

from robomtl.policy import Context, Policy
from robomtl.spec import check_vectors

Pooling = Literal["mean", "attention"]


class Steps(NamedTuple):
    """Steps of the demonstrations of some tasks, one after the other."""

    features: Tensor
    """(task, step, feature)."""
    mask: Tensor
    """Which steps are there, 1 or 0; (task, step)."""


def hidden_layers(inputs: int, width: int) -> list[nn.Module]:
    """Two layers of so many units that encode a single step."""
    return [
        nn.Linear(inputs, width),
        nn.LayerNorm(width),
        nn.GELU(),
        nn.Linear(width, width),
        nn.LayerNorm(width),
        nn.GELU(),
    ]


class StepEncoder(nn.Module):
    """A perceptron over single steps, for whatever pools what it says of them.

    Args:
        inputs: Length of a step's features; see ``steps_of``.
        width: Units of each of two hidden layers.
        outputs: Length of what it says of a step.
    """

    def __init__(self, inputs: int, *, width: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *hidden_layers(inputs, width), nn.Linear(width, outputs)
        )

    def forward(self, steps: Tensor) -> Tensor:
        """The encoding of each step; (…, inputs) -> (…, outputs), in float32."""
        said: Tensor = self.layers(steps)
        return said.float()


class AttentionPool(nn.Module):
    """A mean in which learned questions weigh the steps, each a part of the features.

    Args:
        width: Length of the features.
        questions: How many; they share the width.
    """

    def __init__(self, width: int, questions: int = 4) -> None:
        super().__init__()
        self.scores = nn.Linear(width, questions)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """(task, shot, time, width), (task, shot) -> (task, width)."""
        hidden = (mask == 0)[..., None, None]
        scores = self.scores(features).float().masked_fill(hidden, -1e9)
        weights = rearrange(scores, "t s n q -> t (s n) q").softmax(dim=1)
        values = rearrange(
            features, "t s n (q part) -> t (s n) q part", q=weights.shape[-1]
        )
        pooled = torch.einsum("tnq,tnqp->tqp", weights.to(values.dtype), values)
        return rearrange(pooled, "t q part -> t (q part)")


class MeanPool(nn.Module):
    """The mean over the steps of the demonstrations that are there."""

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """(task, shot, time, width), (task, shot) -> (task, width)."""
        shots = reduce(features, "task shot time width -> task shot width", "mean")
        total = (shots * mask[..., None]).sum(1)
        return total / mask.sum(1, keepdim=True).clamp(min=1)


class PooledEncoder(nn.Module):
    """Demonstrations to a vector, whatever their order and number.

    Args:
        inputs: Length of a step: state, action and progress side by side.
        width: Units of the network that sees a step.
        size: Length of the vector.
        pooling: ``mean``, or ``attention`` that learns which steps tell the task.
    """

    def __init__(self, inputs: int, width: int, size: int, pooling: Pooling) -> None:
        super().__init__()
        self.step = nn.Sequential(*hidden_layers(inputs, width))
        self.pool = MeanPool() if pooling == "mean" else AttentionPool(width)
        self.projection = nn.Linear(width, size)

    def forward(self, context: Context) -> Tensor:
        """The vector of each task, zeros where there is no demonstration; (task, size).

        Args:
            context: With standardised states.
        """
        features = self.step(side_by_side(context))
        vector: Tensor = self.projection(self.pool(features, context.mask))
        return vector * (context.mask.amax(1, keepdim=True) > 0)

    def each(self, context: Context) -> Tensor:
        """The vector of each demonstration by itself; (task, shot, size)."""
        tasks, shots = context.mask.shape
        alone = Context(
            *(rearrange(part, "task shot ... -> (task shot) 1 ...") for part in context)
        )
        alone = alone._replace(mask=torch.ones_like(alone.mask))
        vectors: Tensor = self(alone)
        return rearrange(vectors, "(task shot) size -> task shot size", task=tasks)


def side_by_side(context: Context) -> Tensor:
    """State, action and progress; (task, shot, time, state + action + 1)."""
    return torch.cat(
        [context.state, context.action, context.progress[..., None]], dim=-1
    )


def step_size(policy: Policy) -> int:
    """Length of a step: state, action and progress side by side.

    Raises:
        InputError: If there are images or a history.
    """
    check_vectors(policy.spec, "A demonstration encoder", ["cloning", "maml"])
    return policy.spec.inputs + policy.spec.action + 1


def standardised(policy: Policy, context: Context) -> Context:
    """The demonstrations with states as the policy's network sees them."""
    return context._replace(state=policy.observed_steps(context))


def steps_of(policy: Policy, context: Context) -> Steps:
    """State, standardised as the policy does, action and progress of every step.

    Args:
        policy: Whose normaliser is used.
        context: Demonstrations; shots that are masked there are masked here.
    """
    features = rearrange(
        side_by_side(standardised(policy, context)),
        "task shot time feature -> task (shot time) feature",
    )
    time = context.state.shape[2]
    return Steps(
        features, repeat(context.mask, "task shot -> task (shot time)", time=time)
    )


def encoder_of(policy: Policy) -> PooledEncoder:
    """The pooled encoder that was trained beside a policy."""
    return cast(PooledEncoder, policy.meta)
