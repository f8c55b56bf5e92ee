"""Any model of timm by its name, such as timm:convnext_atto.

Source: Wightman 2019, "PyTorch Image Models". timm needs the torchvision of the installed
torch, and is no extra for that reason: pip install timm torchvision. Departures:

1. Nothing is downloaded: weights are read from a safetensors file (--vision.weights).
2. With weights, batch normalisation keeps the statistics that they bring along; without,
   group normalisation replaces it, as in Diffusion Policy (Chi et al. 2023,
   arXiv:2303.04137, section 3.1).
"""

from difflib import get_close_matches
from importlib import import_module
from math import gcd
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from robomtl.errors import InputError, MissingExtraError
from robomtl.layers.pretrained_encoder import PretrainedEncoder
from robomtl.layers.vision import Vision
from robomtl.nearest import unknown

_A_GROUP = 16


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
        """Refuses unknown models, and images that one cannot take."""
        super().check(vision, shape)
        name = vision.encoder.partition(":")[2]
        known = _timm().list_models()
        if name not in known:
            near = get_close_matches(name, known, n=8, cutoff=0.3)
            answer = unknown("model of timm", name, near).removesuffix(".")
            raise InputError(f"is none: {answer}, and more")

    def scaled(self, image: Tensor) -> Tensor:
        """See ``PretrainedEncoder``."""
        scaled = (image - self.mean) / self.std
        return rearrange(scaled, "batch h w rgb -> batch rgb h w")

    def represent(self, image: Tensor) -> Tensor:
        """See ``PretrainedEncoder``."""
        model: Any = self.backbone
        return _grid(model.forward_features(self.scaled(image)), model)


def _timm() -> Any:
    """The package.

    Raises:
        MissingExtraError: If it, or torchvision, is not installed.
    """
    try:
        return import_module("timm")
    except (ImportError, RuntimeError) as error:  # Of a torchvision for another torch.
        raise MissingExtraError(
            "Encoders timm:NAME need timm and the torchvision of the installed torch"
            f" ({torch.__version__}): pip install timm torchvision"
        ) from error


def _model(name: str, shape: tuple[int, ...]) -> Any:
    """A model without classifier, for images of this shape, freshly initialised."""
    timm = _timm()
    fixed = timm.get_pretrained_cfg(name).fixed_input_size
    size = {"img_size": shape[:2]} if fixed else {}
    return timm.create_model(name, pretrained=False, num_classes=0, **size)


def _grid(found: Tensor, model: Any) -> Tensor:
    """Features of a model as a map; (batch, width, height, width of the map).

    Args:
        found: As the model gives them: a map, or tokens in rows, those without a place
            first.
        model: Says which.
    """
    if found.ndim == 3:
        tokens = found[:, getattr(model, "num_prefix_tokens", 0) :]
        height, _ = model.patch_embed.grid_size
        return rearrange(tokens, "batch (h w) c -> batch c h w", h=height)
    if getattr(model, "output_fmt", "NCHW") == "NHWC":
        return rearrange(found, "batch h w c -> batch c h w")
    return found


def _normalise_groups(network: nn.Module) -> None:
    """Puts group normalisation in the place of batch normalisation, throughout."""
    for name, module in network.named_children():
        if isinstance(module, nn.BatchNorm2d):
            channels = module.num_features
            groups = channels // gcd(channels, _A_GROUP)
            layers = [nn.GroupNorm(groups, channels)]
            # That of timm has a dropout and an activation.
            layers += list[Any](module.children())
            setattr(network, name, nn.Sequential(*layers))
        else:
            _normalise_groups(module)
