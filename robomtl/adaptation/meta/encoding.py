"""Encoders of demonstrations: of single steps, or pooled to one vector per task.

Pooling averages the encodings of all steps, so the vector does not depend on the order of
the demonstrations and accepts any number of them.
"""

from typing import Literal, NamedTuple, cast

import torch
from einops import rearrange, reduce, repeat
from torch import Tensor, nn

from robomtl.policy import Context, Policy
from robomtl.spec import check_vectors

Pooling = Literal["mean", "attention"]


class Steps(NamedTuple):
    """Steps of the demonstrations of some tasks, concatenated along one axis."""

    features: Tensor
    """State, action and progress of each step; (task, step, feature)."""
    mask: Tensor
    """1 for steps of a demonstration, 0 for padding; (task, step)."""


def hidden_layers(inputs: int, width: int) -> list[nn.Module]:
    """Two hidden layers of ``width`` units that encode single steps."""
    return [
        nn.Linear(inputs, width),
        nn.LayerNorm(width),
        nn.GELU(),
        nn.Linear(width, width),
        nn.LayerNorm(width),
        nn.GELU(),
    ]


class StepEncoder(nn.Module):
    """A perceptron that encodes single steps, for pooling by the caller.

    Args:
        inputs: Length of a step's features; see ``steps_of``.
        width: Units of each of the two hidden layers.
        outputs: Length of the encoding.
    """

    def __init__(self, inputs: int, *, width: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *hidden_layers(inputs, width), nn.Linear(width, outputs)
        )

    def forward(self, steps: Tensor) -> Tensor:
        """Encoding of each step in float32; (…, inputs) -> (…, outputs)."""
        encoded: Tensor = self.layers(steps)
        return encoded.float()


class AttentionPool(nn.Module):
    """Attention pooling: learned queries weigh the steps, each for a slice of the features.

    Args:
        width: Length of the features; a multiple of ``questions``.
        questions: Number of learned queries.
    """

    def __init__(self, width: int, questions: int = 4) -> None:
        super().__init__()
        self.scores = nn.Linear(width, questions)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Pooled features; (task, shot, time, width), (task, shot) -> (task, width)."""
        hidden = (mask == 0)[..., None, None]
        scores = self.scores(features).float().masked_fill(hidden, -1e9)
        weights = rearrange(scores, "t s n q -> t (s n) q").softmax(dim=1)
        values = rearrange(
            features, "t s n (q part) -> t (s n) q part", q=weights.shape[-1]
        )
        pooled = torch.einsum("tnq,tnqp->tqp", weights.to(values.dtype), values)
        return rearrange(pooled, "t q part -> t (q part)")


class MeanPool(nn.Module):
    """Mean over the steps of the demonstrations with mask 1; zeros if there are none."""

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Pooled features; (task, shot, time, width), (task, shot) -> (task, width)."""
        shots = reduce(features, "task shot time width -> task shot width", "mean")
        total = (shots * mask[..., None]).sum(1)
        return total / mask.sum(1, keepdim=True).clamp(min=1)


class PooledEncoder(nn.Module):
    """Encodes any number of demonstrations of a task to one vector.

    Args:
        inputs: Length of a step: state, action and progress concatenated.
        width: Units of the network that encodes a step.
        size: Length of the vector.
        pooling: ``mean``, or ``attention``, which learns which steps identify the task.
    """

    def __init__(self, inputs: int, width: int, size: int, pooling: Pooling) -> None:
        super().__init__()
        self.step = nn.Sequential(*hidden_layers(inputs, width))
        self.pool = MeanPool() if pooling == "mean" else AttentionPool(width)
        self.projection = nn.Linear(width, size)

    def forward(self, context: Context) -> Tensor:
        """Vector of each task, zeros for a task without demonstrations; (task, size).

        Args:
            context: Demonstrations with standardised states.
        """
        features = self.step(side_by_side(context))
        vector: Tensor = self.projection(self.pool(features, context.mask))
        return vector * (context.mask.amax(1, keepdim=True) > 0)

    def encode_separately(self, context: Context) -> Tensor:
        """Vector of each demonstration, encoded separately; (task, shot, size)."""
        tasks, shots = context.mask.shape
        alone = Context(
            *(rearrange(part, "task shot ... -> (task shot) 1 ...") for part in context)
        )
        alone = alone._replace(mask=torch.ones_like(alone.mask))
        vectors: Tensor = self(alone)
        return rearrange(vectors, "(task shot) size -> task shot size", task=tasks)


def side_by_side(context: Context) -> Tensor:
    """State, action and progress concatenated; (task, shot, time, state + action + 1)."""
    return torch.cat(
        [context.state, context.action, context.progress[..., None]], dim=-1
    )


def step_size(policy: Policy) -> int:
    """Length of a step: state, action and progress concatenated.

    Raises:
        InputError: If the policy reads images or a history.
    """
    check_vectors(policy.spec, "A demonstration encoder", ["cloning", "maml"])
    return policy.spec.inputs + policy.spec.action + 1


def standardised(policy: Policy, context: Context) -> Context:
    """The demonstrations with states standardised by the policy's normaliser."""
    return context._replace(state=policy.observed_steps(context))


def steps_of(policy: Policy, context: Context) -> Steps:
    """Standardised state, action and progress of every step.

    Args:
        policy: Policy whose normaliser standardises the states.
        context: Demonstrations; the steps of masked shots are masked.
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
