"""Settings of an import."""

from dataclasses import dataclass
from typing import Literal

from robomtl.demonstrations.layout import Video
from robomtl.errors import InputError
from robomtl.importing.formats import Format
from robomtl.ranges import check_types, settings


@settings
@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """Settings of an import of a data set of another tool."""

    format: Format = "auto"
    """lerobot (versions 2.0, 2.1 and 3.0), robomimic (LIBERO's files, too) or minari; auto
    detects the format from the files."""
    features: tuple[str, ...] = ()
    """Columns of each feature, such as state=obs/object+obs/eef_pos
    image.top=observation.images.top action=actions success=rewards; + joins vectors. If an
    observation feature is named, no other is imported except the state."""
    instruction: str | None = None
    """Task sentence of every episode; replaces those of the data set."""
    robot: str | None = None
    """Name of the robot; replaces the one of the data set."""
    fps: float | None = None
    """Frames per second [1/s]; replaces those of the data set."""
    filter_key: str | None = None
    """Subset of a robomimic file, such as train, by its name under mask."""
    beyond: Literal["scale", "clip"] = "scale"
    """Handling of action components beyond [-1, 1]: scale maps the declared or recorded
    range of each to [-1, 1]; clip cuts off, as some simulators do."""
    broken: Literal["refuse", "omit"] = "refuse"
    """Handling of episodes that cannot be learned from: not finite, damaged, or with videos
    of another length."""
    video: Video = "h264"
    """Encoding of images: h264 is lossy and smaller, lossless is exact."""

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            InputError: If a value is out of range.
        """
        check_types(self)
        if self.fps is not None and not 0 < self.fps <= 100_000:
            raise InputError(f"fps is {self.fps:g}; give a number above 0, to 100000.")
        for name in ("instruction", "robot", "filter_key"):
            value = getattr(self, name)
            if value is not None and not (value.strip() and value.isprintable()):
                raise InputError(
                    f"{name} is {value!r}; give a printable text, or leave it out."
                )
