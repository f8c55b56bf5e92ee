"""Settings of the encoders through which a policy reads images."""

from dataclasses import dataclass

from robomtl.errors import InputError
from robomtl.ranges import check_counts, check_types


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

    def __post_init__(self) -> None:
        """Checks the types and ranges.

        Raises:
            InputError: If a value is out of range.
        """
        check_types(self)
        check_counts(self, "features")
        if self.features % 2:
            raise InputError(
                f"features is {self.features}; give an even number, as two numbers are the"
                " position of a channel in the image."
            )
