"""Reads demonstrations step by step, for whatever pools the steps to a task."""

from typing import NamedTuple

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from robomtl.policy import Context, Policy


class Steps(NamedTuple):
    """Steps of the demonstrations of some tasks, one after the other."""

    features: Tensor
    """(task, step, feature)."""
    mask: Tensor
    """Which steps are there, 1 or 0; (task, step)."""


class DemonstrationEncoder(nn.Module):
    """A perceptron over single steps.

    Args:
        inputs: Length of a step's features; see ``steps_of``.
        width: Units of each of two hidden layers.
        outputs: Length of what it says of a step.
    """

    def __init__(self, inputs: int, *, width: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Linear(width, outputs),
        )

    def forward(self, steps: Tensor) -> Tensor:
        """What each step says; (…, inputs) -> (…, outputs), in float32."""
        said: Tensor = self.layers(steps)
        return said.float()


def steps_of(policy: Policy, context: Context, *, progress: bool = True) -> Steps:
    """State, standardised as the policy does, action and progress of every step.

    Args:
        policy: Whose normaliser is used.
        context: Demonstrations; shots that are masked there are masked here.
        progress: Whether the progress is told.
    """
    parts = [policy.normaliser(context.state), context.action]
    if progress:
        parts.append(context.progress[..., None])
    features = rearrange(
        torch.cat(parts, dim=-1), "task shot time feature -> task (shot time) feature"
    )
    time = context.state.shape[2]
    mask = repeat(context.mask, "task shot -> task (shot time)", time=time)
    return Steps(features, mask)
