"""``robomtl data``: derives a new data set from a recorded one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.camera import Profile
from robomtl.cli.run_directory import run_directory
from robomtl.demonstrations.adding import add_cameras
from robomtl.demonstrations.layout import Video
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.execution.executor import LIMIT
from robomtl.nearest import unknown


@dataclass(frozen=True, kw_only=True)
class AddCamera:
    """Adds pictures to a data set, by replaying its episodes in the same simulator."""

    data: tyro.conf.Positional[Path]
    """Data set that robomtl collected."""
    out: Path
    """Folder of the new data set; one begun by the same command is resumed."""
    cameras: tuple[str, ...] | None = None
    """Cameras to observe, such as corner2-close gripperPOV."""
    size: int | None = None
    """Width and height of the pictures [px]; 84 by default."""
    profile: Profile | None = None
    """Rendering: fast (default), without shadows, reflections and anti-aliasing; faithful,
    with the simulator's own settings."""
    images: int | None = None
    """Width and height of the images in the suite points [px]."""
    video: Video | None = None
    """Video codec of the pictures: lossless, the default with cameras, or h264, which takes
    an eighth of the space and changes the colours of details a few pixels wide."""
    workers: int = 2
    """Number of worker processes."""
    limit: float = LIMIT
    """Seconds that a step of the simulator may take before it counts as hanging."""


_ACTS = ("add-camera",)


def main(arguments: Sequence[str]) -> None:
    """Runs the data command that the arguments name."""
    act, *words = arguments or ("--help",)
    if act in ("-h", "--help"):  # Shows the flags of the only command.
        words = [act]
    elif act not in _ACTS:
        raise InputError(unknown("data command", act, _ACTS))
    flags = tyro.cli(AddCamera, args=words, prog="robomtl data add-camera")
    given = {name: getattr(flags, name) for name in ("cameras", "size", "profile")}
    given["images"] = flags.images
    with run_directory(flags.out, "data", flags.data.name, flags=flags) as out:
        made = add_cameras(
            flags.data,
            out,
            options={name: value for name, value in given.items() if value is not None},
            video=flags.video,
            compute=Compute(workers=flags.workers, limit=flags.limit),
        )
    print(
        f"{len(made)} episodes of {len(made.tasks)} tasks with pictures in {made.path}"
    )
