"""Four convolutions, modulated by the task, small enough to train on two cores.

Source: the convolutional encoders of Mnih et al. 2015, "Human-level control through deep
reinforcement learning", and of Yarats et al. 2021, DrQ-v2 (arXiv:2107.09645); modulation
after Perez et al. 2018, FiLM (arXiv:1709.07871); spatial soft-argmax after Levine et al.
2016 (arXiv:1504.00702). Departures:

1. The four convolutions have strides 3, 2, 1 and 1 and 32, 64, 64 and 64 channels; in
   DrQ-v2 only the first is strided, by 2, all have 32 channels, and a training step takes
   seven times as long.
2. Each layer is group-normalised and then modulated by the task.
3. A spatial soft-argmax replaces the linear layer on the flattened map.
"""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from robomtl.image_encoder import MapEncoder
from robomtl.layers.image_layers import PositionChannels, centred
from robomtl.layers.vision import Vision

_CHANNELS = (32, 64, 64, 64)
_SIDES = (6, 3, 3, 3)
_STRIDES = (3, 2, 1, 1)
_GROUP = 8  # Channels that are normalised together.


class Layer(nn.Module):
    """A convolution, followed by normalisation, modulation by the task and SiLU.

    Args:
        before: Input channels.
        channels: Output channels.
        side: Kernel size of the convolution.
        stride: Stride of the convolution.
        modulation: Modulates the output channels by the task.
    """

    def __init__(
        self,
        before: int,
        channels: int,
        *,
        side: int,
        stride: int,
        modulation: nn.Module,
    ) -> None:
        super().__init__()
        padding = (side - 1) // 2
        self.convolution = nn.Conv2d(before, channels, side, stride, padding)
        self.norm = nn.GroupNorm(channels // _GROUP, channels)
        self.modulation = modulation

    def forward(self, features: Tensor, task: Tensor | None) -> Tensor:
        """Output map; (batch, before, height, …) -> (batch, channel, height / stride, …)."""
        modulated = self.modulation(self.norm(self.convolution(features)), task)
        return functional.silu(modulated)


class Strided(MapEncoder):
    """Four layers; the map has 1/6 of the image's height and width."""

    conditioned = True
    min_side = 16

    def __init__(self, vision: Vision, shape: tuple[int, ...]) -> None:
        super().__init__(vision, shape)
        before = (3, *_CHANNELS)
        self.layers = nn.ModuleList(
            Layer(
                inner,
                outer,
                side=side,
                stride=stride,
                modulation=self.modulation(outer),
            )
            for inner, outer, side, stride in zip(
                before, _CHANNELS, _SIDES, _STRIDES, strict=False
            )
        )
        self.width = _CHANNELS[-1]
        self.positions = PositionChannels(self.width, vision.features)

    def map(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """See ``MapEncoder``."""
        features = centred(image)
        for layer in self.layers:
            features = cast(Layer, layer)(features, task)
        return features
