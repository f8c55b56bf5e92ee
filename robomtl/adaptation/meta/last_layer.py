"""The last layer of a policy as a Bayesian regression on its features.

Features are what the head's linear layer reads, and a constant 1 for its bias; outputs
are the actions of a chunk. The mean of the belief is the layer itself, so that a policy
acts by it as it always does; its precision and the noise are in a separate module.
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

# Variance of the noise [squared action]: demonstrations repeat actions exactly, and a
# hundredth of the range is less than any simulator answers to.
LEAST_NOISE = 1e-4


class LastLayer(nn.Module):
    """How sure a policy's last layer is, and how noisy actions are.

    Args:
        features: Length of the features with their constant.
        actions: Number of actions in a chunk times their length.
        precision: Of each weight at first, in units of the noise's.
        noise: Variance of an action at first.
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
        # The lower triangle is the precision's Cholesky factor, with the logarithm of
        # its diagonal; what lies above is not used.
        self.log_factor = nn.Parameter(logarithm.diag())
        self.log_noise = nn.Parameter(torch.full((actions,), math.log(noise)))

    def factor(self) -> Tensor:
        """Lower Cholesky factor of the precision, in float64; (feature, feature)."""
        whole = self.log_factor.double()
        return whole.tril(-1) + whole.diagonal().exp().diag()

    def noise(self) -> Tensor:
        """Variance of each action around its mean, in float64; (actions,)."""
        return self.log_noise.double().exp().clamp(min=LEAST_NOISE)

    @torch.no_grad()
    def set_factor(self, factor: Tensor) -> None:
        """Takes the Cholesky factor of a precision; (feature, feature)."""
        self.log_factor.copy_(factor.tril(-1) + factor.diagonal().log().diag())

    @torch.no_grad()
    def set_noise(self, noise: Tensor) -> None:
        """Takes the variance of each action; (actions,)."""
        self.log_noise.copy_(noise.clamp(min=LEAST_NOISE).log())


def last_layer_of(policy: Policy) -> LastLayer:
    """The distribution of a policy's last layer.

    Raises:
        InputError: If it believes nothing.
    """
    if not isinstance(policy.meta, LastLayer):
        raise InputError(
            "The policy does not know how sure it is: it has no belief about its last"
            " layer. Adapt it by the method alpaca."
        )
    return policy.meta


def last_layer_for(
    policy: Policy, *, precision: float = 1.0, noise: float = 0.01
) -> LastLayer:
    """The module that fits a policy.

    Raises:
        ValueError: If the policy has no last layer of its own kind.
    """
    head = with_head(policy).head
    return LastLayer(
        head.linear.in_features + 1,
        head.chunk * head.action,
        precision=precision,
        noise=noise,
    ).to(policy.device)


def with_head(policy: Policy) -> HeadPolicy:
    """The policy, if it ends in a linear layer that gives its actions.

    Raises:
        InputError: If it does not, or has outputs for robots that differ.
    """
    if len(policy.spec.embodiments) > 1:
        raise InputError(
            f"The method alpaca solves for the last layer of one robot; the policy is built"
            f" for {policy.spec.described}. Adapt it by finetune, or train a policy for"
            " each robot."
        )
    if not isinstance(policy, HeadPolicy):
        raise InputError(
            f"{type(policy).__name__} does not end in an ActionHead, whose last layer"
            " alpaca solves for; use a policy that derives from HeadPolicy, such as film"
            " or mlp."
        )
    if not policy.head.solvable:
        fitting = [name for name in HEADS.names() if HEADS.get(name).solvable]
        raise InputError(
            "The method alpaca solves for a last layer that gives the actions themselves, as"
            f" those of the heads {', '.join(fitting)} do; the policy has the head"
            f" '{policy.config.loss}'. Train one with --architecture.loss {fitting[-1]}, or"
            " adapt this one by finetune."
        )
    return policy


def features_of(policy: HeadPolicy, batch: Batch) -> Tensor:
    """The inputs of the last layer, with a constant 1; (batch, feature)."""
    features: Tensor = policy(batch.observation, batch.task_embedding)
    return functional.pad(features, (0, 1), value=1.0)


def head_mean(policy: HeadPolicy) -> Tensor:
    """The head's weights, its bias the last feature; (chunk, feature, action)."""
    head = policy.head
    rows = head.chunk * head.action  # Of a gaussian head the first half is the mean.
    whole = torch.cat([head.linear.weight, head.linear.bias[:, None]], dim=1)[:rows]
    mean: Tensor = rearrange(
        whole, "(chunk action) feature -> chunk feature action", chunk=head.chunk
    )
    return mean


@torch.no_grad()
def set_head_mean(policy: HeadPolicy, mean: Tensor) -> None:
    """Puts weights in place of the head's; (chunk, feature, action)."""
    linear = policy.head.linear
    whole = rearrange(mean, "chunk feature action -> (chunk action) feature")
    linear.weight[: len(whole)] = whole[:, :-1].to(linear.weight.dtype)
    linear.bias[: len(whole)] = whole[:, -1].to(linear.bias.dtype)


@torch.no_grad()
def predictive_variance(
    policy: Policy, observation: Mapping[str, Tensor], task_embedding: Tensor
) -> Tensor:
    """How far the next action may lie from the policy's, squared; (batch,).

    The variance (1 + φᵀΛ⁻¹φ)·Σ of the first action of the chunk, a mean over its
    coordinates. Its unit is that of a squared action, whose range is [-1, 1]: 0.01 says
    that the demonstrator's action lies within 0.2 in each coordinate 19 times in 20.

    Args:
        policy: With a belief about its last layer, as ``alpaca`` leaves it.
        observation: ``state`` of shape (batch, state).
        task_embedding: Shape (batch, embedding).

    Raises:
        ValueError: If the policy has no such belief.
    """
    layer = last_layer_of(policy)
    made = cast(HeadPolicy, policy)
    features: Tensor = made(observation, task_embedding)
    features = functional.pad(features, (0, 1), value=1.0)
    belief = Belief(features.new_zeros(features.shape[-1], 1), layer.factor())
    noise = layer.noise()[: made.head.action].mean()
    return ((1 + spread(belief, features)) * noise).float()
