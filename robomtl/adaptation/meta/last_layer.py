"""The last layer of a policy as a Bayesian regression on its features.

The features are the inputs of the head's linear layer and a constant 1 for its bias; the
outputs are the actions of a chunk. The mean of the belief is the layer itself, so the
policy acts as usual; precision and noise are stored in ``Policy.meta``, a ``LastLayer``.
"""

import math
from collections.abc import Mapping
from typing import cast

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.action_head import HEADS, HeadPolicy
from robomtl.adaptation.meta.bayesian_regression import Belief, spread
from robomtl.errors import InputError
from robomtl.policy import Batch, Policy

# Lower bound of the noise variance [squared action]: demonstrations repeat actions
# exactly, and simulators do not respond to differences of a hundredth of the range.
LEAST_NOISE = 1e-4


class LastLayer(nn.Module):
    """Precision of the weights of a policy's last layer, and variance of the action noise.

    Args:
        features: Length of the features, including the constant 1.
        actions: Chunk length times action length.
        precision: Initial precision of each weight, in units of the noise precision.
        noise: Initial variance of each action [squared action].
    """

    def __init__(
        self,
        features: int,
        actions: int,
        *,
        precision: float = 1.0,
        noise: float = 0.01,
    ) -> None:
        super().__init__()
        logarithm = torch.full((features,), 0.5 * math.log(precision))
        # The lower triangle is the Cholesky factor of the precision, with logarithms on
        # the diagonal; entries above it are not used.
        self.log_factor = nn.Parameter(logarithm.diag())
        self.log_noise = nn.Parameter(torch.full((actions,), math.log(noise)))

    def factor(self) -> Tensor:
        """Lower Cholesky factor of the precision, in float64; (feature, feature)."""
        log_factor = self.log_factor.double()
        return log_factor.tril(-1) + log_factor.diagonal().exp().diag()

    def noise(self) -> Tensor:
        """Noise variance of each action, in float64; (actions,)."""
        return self.log_noise.double().exp().clamp(min=LEAST_NOISE)

    @torch.no_grad()
    def set_factor(self, factor: Tensor) -> None:
        """Sets the precision by its lower Cholesky factor; (feature, feature)."""
        self.log_factor.copy_(factor.tril(-1) + factor.diagonal().log().diag())

    @torch.no_grad()
    def set_noise(self, noise: Tensor) -> None:
        """Sets the noise variance of each action; (actions,)."""
        self.log_noise.copy_(noise.clamp(min=LEAST_NOISE).log())


def last_layer_of(policy: Policy) -> LastLayer:
    """The ``LastLayer`` of a policy.

    Raises:
        InputError: If the policy has none.
    """
    if not isinstance(policy.meta, LastLayer):
        raise InputError(
            "The policy has no predictive variance: its last layer is not Bayesian. Adapt"
            " it by the method alpaca."
        )
    return policy.meta


def last_layer_for(
    policy: Policy, *, precision: float = 1.0, noise: float = 0.01
) -> LastLayer:
    """A new ``LastLayer`` in the sizes of a policy's head, on its device.

    Args:
        policy: Policy that ends in a solvable ``ActionHead``.
        precision: Initial precision of each weight; see ``LastLayer``.
        noise: Initial variance of each action [squared action].

    Raises:
        ValueError: If the head cannot be solved for; see ``with_head``.
    """
    head = with_head(policy).head
    return LastLayer(
        head.linear.in_features + 1,
        head.chunk * head.action,
        precision=precision,
        noise=noise,
    ).to(policy.device)


def with_head(policy: Policy) -> HeadPolicy:
    """The policy, checked to end in a linear layer whose outputs are its actions.

    Raises:
        InputError: If the policy has no such layer, or several robots.
    """
    if len(policy.spec.embodiments) > 1:
        raise InputError(
            "The method alpaca solves for the last layer of one robot; the policy is built"
            f" for {policy.spec.described}. Adapt it by finetune, or train a policy for"
            " each robot."
        )
    if not isinstance(policy, HeadPolicy):
        raise InputError(
            f"{type(policy).__name__} does not end in an ActionHead, whose linear layer"
            " alpaca solves for; use a policy that derives from HeadPolicy, such as film"
            " or mlp."
        )
    if not policy.head.solvable:
        fitting = [name for name in HEADS.names() if HEADS.get(name).solvable]
        raise InputError(
            "The method alpaca solves for a last layer whose outputs are the actions, as"
            f" those of the heads {', '.join(fitting)}; the policy has the head"
            f" '{policy.config.loss}'. Train one with --architecture.loss {fitting[-1]}, or"
            " adapt this one by finetune."
        )
    return policy


def features_of(policy: HeadPolicy, batch: Batch) -> Tensor:
    """Inputs of the last layer followed by a constant 1; (batch, feature)."""
    features: Tensor = policy(batch.observation, batch.task_embedding)
    return functional.pad(features, (0, 1), value=1.0)


def head_mean(policy: HeadPolicy) -> Tensor:
    """Weights of the head, with the bias as last feature; (chunk, feature, action)."""
    head = policy.head
    rows = head.chunk * head.action  # The second half of a gaussian head is the std.
    whole = torch.cat([head.linear.weight, head.linear.bias[:, None]], dim=1)[:rows]
    mean: Tensor = rearrange(
        whole, "(chunk action) feature -> chunk feature action", chunk=head.chunk
    )
    return mean


@torch.no_grad()
def set_head_mean(policy: HeadPolicy, mean: Tensor) -> None:
    """Sets the head's weights and bias in place, in the layout of ``head_mean``."""
    linear = policy.head.linear
    whole = rearrange(mean, "chunk feature action -> (chunk action) feature")
    linear.weight[: len(whole)] = whole[:, :-1].to(linear.weight.dtype)
    linear.bias[: len(whole)] = whole[:, -1].to(linear.bias.dtype)


@torch.no_grad()
def predictive_variance(
    policy: Policy, observation: Mapping[str, Tensor], task_embedding: Tensor
) -> Tensor:
    """Predictive variance of the first action of a chunk [squared action]; (batch,).

    The variance (1 + φᵀΛ⁻¹φ)·Σ, averaged over the action's coordinates. Actions range over
    [-1, 1]: at 0.01, the demonstrator's action lies within 0.2 of the policy's in each
    coordinate 19 times in 20.

    Args:
        policy: Policy with a ``LastLayer``, as ``alpaca`` adapts it.
        observation: ``state`` of shape (batch, state).
        task_embedding: Shape (batch, embedding).

    Raises:
        ValueError: If the policy has no ``LastLayer``.
    """
    layer = last_layer_of(policy)
    head_policy = cast(HeadPolicy, policy)
    features: Tensor = head_policy(observation, task_embedding)
    features = functional.pad(features, (0, 1), value=1.0)
    belief = Belief(features.new_zeros(features.shape[-1], 1), layer.factor())
    noise = layer.noise()[: head_policy.head.action].mean()
    return ((1 + spread(belief, features)) * noise).float()
