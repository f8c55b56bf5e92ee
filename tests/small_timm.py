"""Small networks in the place of the package timm, which needs torchvision."""

import sys
from types import ModuleType, SimpleNamespace

import torch
from torch import nn


class Small(nn.Module):
    """Stands in for a model of timm."""

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
    """Gives tokens, a class token first, for images of one size."""

    num_prefix_tokens = 1
    patch_embed = SimpleNamespace(grid_size=(8, 8))

    def forward_features(self, image):
        tokens = super().forward_features(image).flatten(2).mT
        return torch.cat([tokens[:, :1] + 100, tokens], dim=1)


def stand_in(monkeypatch):
    """Lets ``import timm`` find a package with two models."""
    models = {"small": Small, "patches": Patches}
    package = ModuleType("timm")
    package.list_models = lambda: [*models]
    package.get_pretrained_cfg = lambda name: SimpleNamespace(
        fixed_input_size=name == "patches"
    )
    package.create_model = lambda name, pretrained, num_classes, **size: models[name](
        **size
    )
    monkeypatch.setitem(sys.modules, "timm", package)
