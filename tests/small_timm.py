"""Small networks that replace the package timm, which needs torchvision."""

import sys
from types import ModuleType, SimpleNamespace

import torch
from torch import nn


class Small(nn.Module):
    """A replacement for a model of timm."""

    pretrained_cfg = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.2)}
    num_features = 32

    def __init__(self, img_size=None):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 8, stride=8)
        self.norm = nn.BatchNorm2d(32)
        self.size = img_size

    def forward_features(self, image):
        return self.norm(self.stem(image))


class Patches(Small):
    """A model of tokens, with a class token first, for images of one size."""

    num_prefix_tokens = 1
    patch_embed = SimpleNamespace(grid_size=(8, 8))

    def forward_features(self, image):
        tokens = super().forward_features(image).flatten(2).mT
        return torch.cat([tokens[:, :1] + 100, tokens], dim=1)


class Divided(Small):
    """A model for images whose sides are multiples of 32 pixels."""

    def forward_features(self, image):
        assert image.shape[2] % 32 == 0, "height must be divisible by 32"
        return super().forward_features(image)


class OneCell(Small):
    """A model whose feature map is the mean over the image."""

    def forward_features(self, image):
        return super().forward_features(image).mean((2, 3), keepdim=True)


class Odd(Patches):
    """A model with a prefix token that no attribute counts."""

    num_prefix_tokens = 0


MODELS = {
    "small": Small,
    "patches": Patches,
    "divided": Divided,
    "one_cell": OneCell,
    "odd": Odd,
}


def stand_in(monkeypatch):
    """Makes ``import timm`` find a package with a few models."""
    package = ModuleType("timm")
    package.list_models = lambda: [*MODELS]
    package.get_pretrained_cfg = lambda name: SimpleNamespace(
        fixed_input_size=name == "patches"
    )
    package.create_model = lambda name, pretrained, num_classes, **size: MODELS[name](
        **size
    )
    monkeypatch.setitem(sys.modules, "timm", package)
