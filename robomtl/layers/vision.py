"""Settings of a policy's image encoders."""

from dataclasses import dataclass

from robomtl.errors import InputError
from robomtl.ranges import check_counts, check_types, settings

IMAGENET = "imagenet"
"""Value of ``Vision.weights`` for the ImageNet weights of efficientnet_lite0."""


@settings
@dataclass(frozen=True, kw_only=True)
class Vision:
    """Settings of the image encoders of a policy."""

    encoder: str = "spatial"
    """Registered name of the encoder, see ``robomtl list``."""
    features: int = 64
    """Number of features of an encoded image; even."""
    film: bool = True
    """Whether the task modulates the encoder (FiLM), if the encoder supports it."""
    shared: bool = False
    """Whether all cameras share one encoder; by default each camera has its own."""
    weights: str = ""
    """Pre-trained weights of the encoder: the path of a safetensors file, or ``imagenet``
    for those of efficientnet_lite0; none if empty."""
    frozen: bool = False
    """Whether the pre-trained weights are frozen. Layers after them are trained."""
    patch: int = 14
    """Side of the patches of the encoder ``vit`` [px]."""

    def __post_init__(self) -> None:
        """Checks the types and ranges.

        Raises:
            InputError: If a value is out of range.
        """
        check_types(self)
        check_counts(self, "features", "patch")
        if self.features % 2:
            raise InputError(
                f"features is {self.features}; give an even number, as the position of a"
                " channel in the image consists of two numbers."
            )
        if self.frozen and not self.weights:
            raise InputError(
                "vision.frozen freezes pre-trained weights, but vision.weights names none;"
                " give vision.weights, or leave vision.frozen out."
            )
