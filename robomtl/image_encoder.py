"""Base classes of image encoders, and their registry."""

from abc import ABC, abstractmethod
from typing import ClassVar

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.catalogue import Registry
from robomtl.errors import InputError
from robomtl.layers.image_layers import Modulation, Unmodulated, mean_positions
from robomtl.layers.vision import Vision

TASK_WIDTH = 128
"""Width of the encoded task embedding that modulates encoders."""

GRID = 8
"""Most tokens along each side of an image."""


class ImageEncoder(nn.Module, ABC):
    """Encodes images, optionally modulated by the task.

    Args:
        vision: Settings of the encoder.
        shape: Shape of an image: (height, width, 3).
    """

    conditioned: ClassVar[bool] = False
    """Whether the encoder has layers that the task modulates."""
    pretrained: ClassVar[bool] = False
    """Whether the encoder supports pretrained weights."""
    min_side: ClassVar[int] = 1
    """Smallest supported height and width of an image [px]."""
    width: int
    """Length of a token."""

    def __init__(self, vision: Vision, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.vision = vision

    def modulation(self, channels: int) -> nn.Module:
        """A layer that modulates channels by the task, or passes them on without FiLM."""
        return Modulation(TASK_WIDTH, channels) if self.vision.film else Unmodulated()

    @classmethod
    def check(cls, vision: Vision, shape: tuple[int, ...]) -> None:
        """Refuses images and settings that the encoder does not support.

        Args:
            vision: Settings of the encoder.
            shape: Shape of an image: (height, width, 3).

        Raises:
            InputError: If the image is too small, or pretrained weights are requested and
                not supported.
        """
        if min(shape[:2]) < cls.min_side:
            raise InputError(
                f"needs images of at least {cls.min_side} x {cls.min_side} px, and these are"
                f" {shape[0]} x {shape[1]}"
            )
        if vision.weights and not cls.pretrained:
            raise InputError(
                "does not support pretrained weights (vision.weights), as efficientnet_lite0"
                " and timm:NAME do; to continue from a run of robomtl, give start, and"
                " start_parts observer"
            )

    @abstractmethod
    def forward(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """The features of images.

        Args:
            image: uint8; (batch, height, width, 3).
            task: The encoded task, (batch, ``TASK_WIDTH``); None leaves the layers
                unmodulated.

        Returns:
            (batch, ``vision.features``).
        """

    @abstractmethod
    def tokens(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """Tokens of image regions, in row-major order, for policies that attend to them.

        Args:
            image: See ``forward``.
            task: See ``forward``.

        Returns:
            (batch, token, ``width``).
        """


class MapEncoder(ImageEncoder):
    """An encoder that ends in a map of channels over the image.

    A subclass computes the ``map``, and sets ``width`` to its number of channels and
    ``positions`` to a module that turns it into ``vision.features / 2`` channels. The
    features are the mean positions, x and y, of these channels.
    """

    positions: nn.Module
    """Module from the map to the channels whose mean positions are the features."""

    @abstractmethod
    def map(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """The feature map of an image; (batch, width, map height, map width)."""

    def forward(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """The mean positions of channels; see ``ImageEncoder``."""
        return mean_positions(self.positions(self.map(image, task)).float())

    def tokens(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """The map, averaged to at most ``GRID`` x ``GRID`` tokens; see ``ImageEncoder``."""
        features = self.map(image, task)
        height, width = (min(side, GRID) for side in features.shape[2:])
        tokens = functional.adaptive_avg_pool2d(features, (height, width))
        return rearrange(tokens, "batch c h w -> batch (h w) c")


ENCODERS: Registry[type[ImageEncoder]] = Registry(
    "encoder",
    "robomtl.encoders",
    {
        "efficientnet_lite0": "robomtl.encoders.efficientnet_lite0:EfficientNetLite0",
        "impala": "robomtl.encoders.impala:Impala",
        "resnet18": "robomtl.encoders.resnet18:ResNet18",
        "spatial": "robomtl.encoders.spatial:Spatial",
        "strided": "robomtl.encoders.strided:Strided",
        "timm": "robomtl.encoders.timm_models:TimmModel",
        "vit": "robomtl.encoders.vit:ViT",
    },
)
"""Encoder classes, by the values of ``Vision.encoder``."""


def encoder_class(name: str) -> type[ImageEncoder]:
    """The class of an encoder; ``timm:NAME`` is the model NAME of timm.

    Raises:
        InputError: If there is none; the message names the nearest.
    """
    return ENCODERS.get("timm" if name.startswith("timm:") else name)
