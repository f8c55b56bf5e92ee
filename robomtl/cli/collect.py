"""``robomtl collect``: demonstrations of a suite's experts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.cli.flags import SuiteFlags, own_first, run_directory
from robomtl.demonstrations.collect_missing import Recording, collect_parts
from robomtl.demonstrations.layout import Video
from robomtl.executor import LIMIT


@own_first
@dataclass(frozen=True, kw_only=True)
class Collect(SuiteFlags):
    """Records successful episodes of the experts as a LeRobotDataset v3.0."""

    suite: tyro.conf.Positional[str]
    """Suite, such as metaworld/MT10."""
    out: Path | None = None
    """Folder of the data set; a dated one under runs/ by default."""
    episodes: int = 50
    """Successful episodes a task."""
    noise: float = 0.5
    """Largest deviation of the disturbance of executed positions; labels stay clean."""
    tasks: tuple[str, ...] | None = None
    """Tasks to record; all training tasks by default."""
    seed: int = 0
    """Seed of the disturbance."""
    video: Video | None = None
    """How pictures are stored: lossless, the default with cameras, or h264, which takes a
    tenth of the room and changes the colours of things a few pixels wide."""
    workers: int = 2
    """Processes."""
    limit: float = LIMIT
    """Seconds that a step of the simulator may take before it counts as hanging."""


def main(arguments: Sequence[str]) -> None:
    """Collects as the arguments say."""
    flags = tyro.cli(Collect, args=arguments, prog="robomtl collect")
    made = flags.make(flags.suite)
    with run_directory(flags.out, "collect", flags.suite) as out:
        recording = Recording(
            episodes=flags.episodes,
            noise=flags.noise,
            seed=flags.seed,
            video=flags.video,
            workers=flags.workers,
            limit=flags.limit,
        )
        for recorded in collect_parts(made, out, recording, flags.tasks):
            count = f"{len(recorded)} episodes of {len(recorded.tasks)} tasks"
            print(f"{count} in {recorded.path}")
