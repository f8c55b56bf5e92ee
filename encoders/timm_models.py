"""Any model of timm by name, such as timm:convnext_atto.

Source: Wightman 2019, "PyTorch Image Models". timm needs the torchvision that was built for
the installed torch; the extra ``timm`` installs the one for PyPI's torch. Departures:

1. Nothing is downloaded: weights are read from a safetensors file (--vision.weights).
2. With weights, batch normalisation keeps its pre-trained statistics; without weights,
   group normalisation replaces it, as in Diffusion Policy (Chi et al. 2023,
   arXiv:2303.04137, section 3.1).
"""

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from math import gcd, log
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from robomtl.errors import InputError, MissingExtraError
from robomtl.layers.pretrained_encoder import PretrainedEncoder
from robomtl.layers.vision import Vision
from robomtl.nearest import unknown

_A_GROUP = 16
_SIDES = (64, 96, 128, 192, 224, 256)
"""Image sides that most models support, which error messages suggest [px]."""
_REFUSALS = (
    ArithmeticError,
    AssertionError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Exceptions that models raise for image sizes that they do not support."""


class TimmModel(PretrainedEncoder):
    """The model NAME of timm, given as timm:NAME, without its classifier."""

    def __init__(self, vision: Vision, shape: tuple[int, ...]) -> None:
        super().__init__(vision, shape)
        model = _model(vision.encoder.partition(":")[2], shape)
        mean, std = (model.pretrained_cfg[name] for name in ("mean", "std"))
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", 255 * torch.tensor(mean), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std), persistent=False)
        if not vision.weights:
            _normalise_groups(model)  # Departure 2.
        self.backbone = model
        self.finish(model.num_features)

    @classmethod
    def check(cls, vision: Vision, shape: tuple[int, ...]) -> None:
        """Refuses unknown models and unsupported image sizes; see ``ImageEncoder``."""
        super().check(vision, shape)
        name = vision.encoder.partition(":")[2]
        known = _timm().list_models()
        if name not in known:
            near = get_close_matches(name, known, n=8, cutoff=0.3)
            answer = unknown("model of timm", name, near).removesuffix(".")
            raise InputError(f"is not available: {answer}, and more")
        height, width = shape[:2]
        if fault := _fault(name, height, width):
            near = sorted(_SIDES, key=lambda side: abs(side - max(height, width)))
            fits = next((side for side in near if not _fault(name, side, side)), None)
            answer = f"give {fits} x {fits} px" if fits else "choose another model"
            raise InputError(
                f"has no feature map for images of {height} x {width} px ({fault});"
                f" {answer}"
            )

    def scaled(self, image: Tensor) -> Tensor:
        """See ``PretrainedEncoder``."""
        scaled = (image - self.mean) / self.std
        return rearrange(scaled, "batch h w rgb -> batch rgb h w")

    def represent(self, image: Tensor) -> Tensor:
        """See ``PretrainedEncoder``."""
        scaled = self.scaled(image)
        height, width = scaled.shape[2:]
        return _map(self.backbone, scaled, height / width)


def _timm() -> Any:
    """The package timm.

    Raises:
        MissingExtraError: If timm or a matching torchvision is not installed.
    """
    try:
        return import_module("timm")
    # A torchvision for another torch raises RuntimeError.
    except (ImportError, RuntimeError) as error:
        raise MissingExtraError(
            "Encoders timm:NAME need timm and the torchvision of the installed torch"
            f" ({torch.__version__}): pip install 'robomtl[timm]'"
        ) from error


def _model(name: str, shape: tuple[int, ...]) -> Any:
    """A newly initialised model without classifier for images of a shape."""
    timm = _timm()
    fixed = timm.get_pretrained_cfg(name).fixed_input_size
    size = {"img_size": shape[:2]} if fixed else {}
    return timm.create_model(name, pretrained=False, num_classes=0, **size)


@cache
def _fault(name: str, height: int, width: int) -> str:
    """Reason why a model has no feature map for an image size; empty if it has one."""
    try:
        with torch.no_grad():
            model = _model(name, (height, width)).eval()
            _map(model, torch.zeros(1, 3, height, width), height / width)
    except _REFUSALS as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _map(model: Any, image: Tensor, aspect: float) -> Tensor:
    """Features of a model as a map; (batch, width, height, width of the map).

    Args:
        model: Model whose features are a map, or prefix tokens and tokens in row order.
        image: Scaled images; (batch, 3, height, width).
        aspect: Height of the image divided by its width.

    Raises:
        ValueError: If the features are neither, or the map is a single cell.
    """
    features = model.forward_features(image)
    if not isinstance(features, Tensor) or features.ndim not in (3, 4):
        raise ValueError("its features are neither a map nor tokens")
    if features.ndim == 3:
        tokens = features[:, getattr(model, "num_prefix_tokens", 0) :]
        rows = _rows(tokens.shape[1], aspect)
        features = rearrange(tokens, "batch (h w) c -> batch c h w", h=rows)
    elif getattr(model, "output_fmt", "NCHW") == "NHWC":
        features = rearrange(features, "batch h w c -> batch c h w")
    if features.shape[2:].numel() < 2:
        raise ValueError("its map is a single cell, which has no positions")
    return features


def _rows(tokens: int, aspect: float) -> int:
    """Number of rows of the token grid whose aspect ratio is nearest to the image's.

    Args:
        tokens: Number of tokens.
        aspect: Height of the image divided by its width.

    Raises:
        ValueError: If the aspect ratios of all grids differ from it by a factor of 2 or
            more.
    """

    def distance(rows: int) -> float:
        return abs(log(rows * rows / tokens / aspect))

    rows = min((n for n in range(1, tokens + 1) if tokens % n == 0), key=distance)
    if distance(rows) >= log(2):
        raise ValueError(f"its {tokens} tokens do not form a grid over the image")
    return rows


def _normalise_groups(network: nn.Module) -> None:
    """Replaces all batch normalisation by group normalisation, in place."""
    for name, module in network.named_children():
        if isinstance(module, nn.BatchNorm2d):
            channels = module.num_features
            groups = channels // gcd(channels, _A_GROUP)
            layers = [nn.GroupNorm(groups, channels)]
            # timm's batch normalisation contains dropout and activation, which are kept.
            layers += list[Any](module.children())
            setattr(network, name, nn.Sequential(*layers))
        else:
            _normalise_groups(module)
