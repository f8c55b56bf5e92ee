"""Layers and functions shared by image encoders."""

import torch
from einops import rearrange
from torch import Tensor, nn

SHARPNESS = 3.0
"""Initial scale of the normalised channels that enter the spatial softmax: the softmax of
small activations is flat, so that all positions would initially be near the centre."""


def centred(image: Tensor) -> Tensor:
    """Images scaled from 0 … 255 to -1 … 1, channels first.

    Args:
        image: uint8; (batch, height, width, 3).

    Returns:
        (batch, 3, height, width); on a GPU in the memory format ``channels_last``, which
        is faster there. On CPUs, bfloat16 convolutions take 1.5 times as long in it.
    """
    scaled = rearrange(image, "batch h w rgb -> batch rgb h w") / 127.5 - 1
    return scaled.contiguous() if scaled.device.type == "cpu" else scaled


def mean_positions(active: Tensor) -> Tensor:
    """Spatial soft-argmax: mean position of each channel's softmax, from -1 to 1.

    Source: Levine et al. 2016 (arXiv:1504.00702), section 6.1.

    Args:
        active: Channel activations; (batch, channel, height, width).

    Returns:
        Mean row of every channel, then mean column of every channel; (batch, 2 channel).
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
    """A 1 x 1 convolution and normalisation to the channels of a spatial soft-argmax.

    Args:
        width: Channels of the map.
        features: Number of features, two for each channel.
    """

    def __init__(self, width: int, features: int) -> None:
        norm = nn.GroupNorm(features // 2, features // 2)
        nn.init.constant_(norm.weight, SHARPNESS)
        super().__init__(nn.Conv2d(width, features // 2, 1), norm)


class Modulation(nn.Module):
    """FiLM: scales and shifts the channels of a map by the task.

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
        """The modulated map; the unchanged map if ``task`` is None.

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
    """Identity in place of ``Modulation``."""

    def forward(self, features: Tensor, task: Tensor | None) -> Tensor:
        """The unchanged map; see ``Modulation``."""
        return features
