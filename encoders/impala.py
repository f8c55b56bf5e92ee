"""The IMPALA encoder: a residual network of three stages, modulated by the task.

Source: Espeholt et al. 2018, "IMPALA" (arXiv:1802.01561), figure 3 on the right: 16, 32
and 32 channels, each stage a convolution, a max pooling and two residual blocks.
Departures:

1. Each stage is group-normalised after its pooling and then modulated by the task (Perez
   et al. 2018, arXiv:1709.07871).
2. A spatial soft-argmax (Levine et al. 2016, arXiv:1504.00702) replaces the linear layer
   on the flattened map.
"""

from typing import cast

from torch import Tensor, nn

from robomtl.image_encoder import MapEncoder
from robomtl.layers.image_layers import PositionChannels, centred
from robomtl.layers.vision import Vision

_CHANNELS = (16, 32, 32)
_GROUPS = 4


class Residual(nn.Module):
    """A residual block of two convolutions.

    Args:
        channels: Channels of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Output map; (batch, channel, height, width)."""
        update: Tensor = self.layers(features)
        return features + update


class Stage(nn.Module):
    """A convolution, a max pooling by 2 and two residual blocks.

    Args:
        before: Input channels.
        channels: Output channels.
        modulation: Modulates the output channels by the task.
    """

    def __init__(self, before: int, channels: int, modulation: nn.Module) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv2d(before, channels, 3, padding=1),
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.GroupNorm(_GROUPS, channels),  # Departure 1.
        )
        self.modulation = modulation
        self.residual = nn.Sequential(Residual(channels), Residual(channels))

    def forward(self, features: Tensor, task: Tensor | None) -> Tensor:
        """Output map; (batch, before, height, …) -> (batch, channel, height / 2, …)."""
        features = self.modulation(self.reduce(features), task)
        features = self.residual(features)
        return features


class Impala(MapEncoder):
    """Three stages; the map has 1/8 of the image's height and width."""

    conditioned = True
    min_side = 16

    def __init__(self, vision: Vision, shape: tuple[int, ...]) -> None:
        super().__init__(vision, shape)
        before = (3, *_CHANNELS)
        self.stages = nn.ModuleList(
            Stage(inner, outer, self.modulation(outer))
            for inner, outer in zip(before, _CHANNELS, strict=False)
        )
        self.width = _CHANNELS[-1]
        self.positions = PositionChannels(self.width, vision.features)

    def map(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """See ``MapEncoder``."""
        features = centred(image)
        for stage in self.stages:
            features = cast(Stage, stage)(features, task)
        return features.relu()
