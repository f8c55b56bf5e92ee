"""ResNet-18 with group normalisation, modulated by the task.

Source: He et al. 2016, "Deep Residual Learning for Image Recognition" (arXiv:1512.03385),
table 1; modulated after Perez et al. 2018, FiLM (arXiv:1709.07871), as RT-1 (Brohan et al.
2022, arXiv:2212.06817) and BAKU (Haldar et al. 2024, arXiv:2406.07539) modulate theirs.
Departures:

1. Group normalisation with 16 channels per group replaces batch normalisation, whose
   statistics do not suit averaged weights, and a spatial soft-argmax replaces average
   pooling, both as in Diffusion Policy (Chi et al. 2023, arXiv:2303.04137, section 3.1).
2. The task modulates the second normalised convolution of every block, before the block's
   input is added.
"""

from typing import cast

from torch import Tensor, nn

from robomtl.image_encoder import MapEncoder
from robomtl.layers.image_layers import PositionChannels, centred
from robomtl.layers.vision import Vision

_CHANNELS = (64, 128, 256, 512)
_BLOCKS = 2
_A_GROUP = 16


class ResidualBlock(nn.Module):
    """A residual block of two 3 x 3 convolutions.

    Args:
        before: Input channels.
        channels: Output channels.
        stride: Stride of the first convolution.
        modulation: Modulates the output channels by the task.
    """

    def __init__(
        self, before: int, channels: int, *, stride: int, modulation: nn.Module
    ) -> None:
        super().__init__()
        self.first = _convolution(before, channels, 3, stride)
        self.second = _convolution(channels, channels, 3)
        self.modulation = modulation
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != channels:
            self.shortcut = _convolution(before, channels, 1, stride)

    def forward(self, features: Tensor, task: Tensor | None) -> Tensor:
        """Output map; (batch, before, height, …) -> (batch, channel, height / stride, …)."""
        update = self.second(self.first(features).relu())
        added: Tensor = self.modulation(update, task) + self.shortcut(features)
        return added.relu()


class ResNet18(MapEncoder):
    """Eight residual blocks; the map has 1/32 of the image's height and width."""

    conditioned = True
    min_side = 64

    def __init__(self, vision: Vision, shape: tuple[int, ...]) -> None:
        super().__init__(vision, shape)
        self.stem = nn.Sequential(
            _convolution(3, _CHANNELS[0], 7, 2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.blocks, before = nn.ModuleList(), _CHANNELS[0]
        for channels in _CHANNELS:
            for number in range(_BLOCKS):
                stride = 2 if channels > _CHANNELS[0] and number == 0 else 1
                modulation = self.modulation(channels)
                self.blocks.append(
                    ResidualBlock(
                        before, channels, stride=stride, modulation=modulation
                    )
                )
                before = channels
        self.width = before
        self.positions = PositionChannels(self.width, vision.features)

    def map(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """See ``MapEncoder``."""
        features: Tensor = self.stem(centred(image))
        for block in self.blocks:
            features = cast(ResidualBlock, block)(features, task)
        return features


def _convolution(before: int, channels: int, size: int, stride: int = 1) -> nn.Module:
    """A convolution without bias, followed by group normalisation."""
    return nn.Sequential(
        nn.Conv2d(before, channels, size, stride, padding=size // 2, bias=False),
        nn.GroupNorm(channels // _A_GROUP, channels),  # Departure 1.
    )
