"""Three convolutions and a spatial soft-argmax.

Source: Levine et al. 2016, "End-to-End Training of Deep Visuomotor Policies"
(arXiv:1504.00702), section 6.1: the spatial softmax. Departures:

1. The convolutions are smaller, and the first has stride 2.
2. Activations are normalised, and those that enter the softmax are initially scaled by 3;
   see ``robomtl.layers.image_layers.SHARPNESS``.
"""

import torch
from torch import Tensor, nn

from robomtl.image_encoder import MapEncoder
from robomtl.layers.image_layers import SHARPNESS, centred
from robomtl.layers.vision import Vision


class Spatial(MapEncoder):
    """Three convolutions without modulation; the map has 1/2 of the image's sides."""

    min_side = 3  # The map of a smaller image is a single cell, which has no positions.

    def __init__(self, vision: Vision, shape: tuple[int, ...]) -> None:
        super().__init__(vision, shape)
        self.width = vision.features // 2
        last = nn.GroupNorm(self.width, self.width)
        nn.init.constant_(last.weight, SHARPNESS)  # Departure 2.
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2),
            nn.GroupNorm(4, 16),
            nn.GELU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.GroupNorm(4, 32),
            nn.GELU(),
            nn.Conv2d(32, self.width, 3, padding=1),
            last,
        )
        self.positions = nn.Identity()

    def map(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """See ``MapEncoder``."""
        # Keeps results bit-identical to those of earlier versions.
        last = centred(image).contiguous(memory_format=torch.channels_last)
        channels: Tensor = self.layers(last)
        return channels
