"""Settings of the encoders through which a policy reads images."""

from dataclasses import dataclass

from robomtl.errors import InputError
from robomtl.ranges import check_counts, check_types, settings

IMAGENET = "imagenet"
"""Stands for the weights that an encoder's package brings."""


@settings
@dataclass(frozen=True, kw_only=True)
class Vision:
    """How a policy encodes images."""

    encoder: str = "spatial"
    """Registered name of the encoder, see ``robomtl list``."""
    features: int = 64
    """Numbers to which each image is encoded."""
    film: bool = True
    """Whether the task modulates the encoder, where the encoder has layers for it."""
    shared: bool = False
    """Whether one encoder reads the images of all cameras, or each camera has its own."""
    weights: str = ""
    """Weights of an encoder that others trained, before training: the path of a
    safetensors file, or ``imagenet`` for those of efficientnet_lite0; none if empty."""
    frozen: bool = False
    """Whether these weights stay as they are. What follows them is trained."""
    patch: int = 14
    """Side of the patches into which the encoder ``vit`` cuts images [px]."""

    def __post_init__(self) -> None:
        """Checks the types and ranges.

        Raises:
            InputError: If a value is out of range.
        """
        check_types(self)
        check_counts(self, "features", "patch")
        if self.features % 2:
            raise InputError(
                f"features is {self.features}; give an even number, as two numbers are the"
                " position of a channel in the image."
            )
        if self.frozen and not self.weights:
            raise InputError(
                "vision.frozen keeps weights as they are, and none are named; give"
                " vision.weights, or leave it out."
            )
