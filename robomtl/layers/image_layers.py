"""Layers and functions that image encoders share."""

import torch
from einops import rearrange
from torch import Tensor, nn

SHARPNESS = 3.0
"""Scale of the normalised channels whose positions are taken: a softmax of small ones is
flat, so that positions would hardly differ at first."""


def centred(image: Tensor) -> Tensor:
    """An image with values from -1 to 1, its channels first.

    Args:
        image: uint8; (batch, height, width, 3).

    Returns:
        (batch, 3, height, width); on a GPU in the memory format ``channels_last``, in which
        convolutions are faster there. On processors those in bfloat16 take half as long
        again in it.
    """
    scaled = rearrange(image, "batch h w rgb -> batch rgb h w") / 127.5 - 1
    return scaled.contiguous() if scaled.device.type == "cpu" else scaled


def mean_positions(active: Tensor) -> Tensor:
    """Where in an image each channel is active, from -1 to 1: the spatial soft-argmax.

    Source: Levine et al. 2016 (arXiv:1504.00702), section 6.1.

    Args:
        active: (batch, channel, height, width).

    Returns:
        The mean row of every channel, then the mean column; (batch, 2 channel).
    """
    weight = rearrange(active, "batch c h w -> batch c (h w)").softmax(-1)
    weight = weight.view_as(active)
    down, right = (
        torch.linspace(-1, 1, side, device=weight.device) for side in weight.shape[2:]
    )
    return torch.cat(
        [(weight.sum(3) * down).sum(-1), (weight.sum(2) * right).sum(-1)], dim=-1
    )


class PositionChannels(nn.Sequential):
    """The channels whose mean positions an encoder gives, normalised and scaled.

    Args:
        width: Channels of the map.
        features: Numbers that the positions are.
    """

    def __init__(self, width: int, features: int) -> None:
        norm = nn.GroupNorm(features // 2, features // 2)
        nn.init.constant_(norm.weight, SHARPNESS)
        super().__init__(nn.Conv2d(width, features // 2, 1), norm)


class Modulation(nn.Module):
    """Scales and shifts the channels of a map by the task.

    Source: Perez et al. 2018, "FiLM" (arXiv:1709.07871), equations 1 and 2. The scale is
    predicted as a difference from 1 by a layer that starts at zero.

    Args:
        task_width: Length of the encoded task.
        channels: Channels of the map.
    """

    def __init__(self, task_width: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(task_width, 2 * channels)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor, task: Tensor | None) -> Tensor:
        """The modulated map; the map as it is without a task.

        Args:
            features: (batch, channel, height, width).
            task: The encoded task; (batch, task width).
        """
        if task is None:
            return features
        predicted: Tensor = self.linear(task)
        scale, shift = predicted[..., None, None].chunk(2, dim=1)
        return features * (1 + scale) + shift


class Unmodulated(nn.Module):
    """Replaces ``Modulation`` and leaves the map as it is."""

    def forward(self, features: Tensor, task: Tensor | None) -> Tensor:
        """See ``Modulation``."""
        return features
