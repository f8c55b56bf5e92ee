"""The contract of image encoders, and those there are."""

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
"""Length to which the task embedding is encoded for encoders that the task modulates."""

GRID = 8
"""Most tokens along a side of an image that a map becomes."""


class ImageEncoder(nn.Module, ABC):
    """Reads images, and the task if it has layers for that.

    Args:
        vision: Settings.
        shape: Of an image: (height, width, 3).
    """

    conditioned: ClassVar[bool] = False
    """Whether the encoder has layers that the task modulates."""
    pretrained: ClassVar[bool] = False
    """Whether it takes weights that others trained."""
    least: ClassVar[int] = 1
    """Smallest height and width of an image that it takes [px]."""
    width: int
    """Length of a token."""

    def __init__(self, vision: Vision, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.vision = vision

    def modulation(self, channels: int) -> nn.Module:
        """A layer that modulates channels by the task, if the settings want it."""
        return Modulation(TASK_WIDTH, channels) if self.vision.film else Unmodulated()

    @classmethod
    def check(cls, vision: Vision, shape: tuple[int, ...]) -> None:
        """Refuses an image that the encoder cannot take.

        Args:
            vision: Settings.
            shape: Of an image: (height, width, 3).

        Raises:
            InputError: Says what would fit.
        """
        if min(shape[:2]) < cls.least:
            raise InputError(
                f"takes images of {cls.least} x {cls.least} px or more, and these are"
                f" {shape[0]} x {shape[1]}"
            )
        if vision.weights and not cls.pretrained:
            raise InputError(
                "takes no weights of others (vision.weights), as efficientnet_lite0 and"
                " timm:NAME do; continue a run of robomtl by start and start_parts"
                " observer"
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
        """Parts of images as tokens, in the order of rows, for policies that attend to them.

        Args:
            image: See ``forward``.
            task: See ``forward``.

        Returns:
            (batch, token, ``width``).
        """


class MapEncoder(ImageEncoder):
    """An encoder that ends in a map of channels over the image.

    A subclass makes the ``map``, and sets ``width`` to its number of channels and
    ``positions`` to what turns it into ``vision.features / 2`` channels. The features are
    the mean position of each of these.
    """

    positions: nn.Module
    """From the map to channels whose mean positions are the features."""

    @abstractmethod
    def map(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """Channels over the image; (batch, width, height, width of the map)."""

    def forward(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """Mean positions of channels; see ``ImageEncoder``."""
        return mean_positions(self.positions(self.map(image, task)).float())

    def tokens(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """The map, averaged to at most ``GRID`` x ``GRID``; see ``ImageEncoder``."""
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
"""Encoder classes, by the names that ``Vision.encoder`` takes."""


def encoder_class(name: str) -> type[ImageEncoder]:
    """The class of an encoder; ``timm:NAME`` is the model NAME of timm.

    Raises:
        InputError: If there is none; names the nearest.
    """
    return ENCODERS.get("timm" if name.startswith("timm:") else name)
