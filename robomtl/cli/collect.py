"""``robomtl collect``: records episodes of a suite's experts, or of a policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.cli.flags import SuiteFlags, own_first
from robomtl.cli.run_directory import run_directory
from robomtl.demonstrations import CollectionConfig
from robomtl.demonstrations.collect_missing import collect_parts
from robomtl.demonstrations.driving import Labels, Rollouts
from robomtl.demonstrations.layout import Video
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.execution.executor import LIMIT


@own_first
@dataclass(frozen=True, kw_only=True)
class Collect(SuiteFlags):
    """Records episodes of the experts, or of a policy, as a LeRobotDataset v3.0."""

    suite: tyro.conf.Positional[str]
    """Suite, such as metaworld/MT10."""
    out: Path | None = None
    """Folder of the data set; a dated one under runs/ by default."""
    episodes: int = 50
    """Successful episodes per task; with --policy, attempted episodes per task. Episodes that
    an error aborts do not count."""
    noise: float | None = None
    """Largest standard deviation of the noise on executed actions; recorded actions have
    no noise. 0.5 by default, and 0 with --policy."""
    policy: Path | None = None
    """Run directory of a policy that acts in place of the experts."""
    labels: Labels | None = None
    """With --policy, record the actions of the expert in every episode (DAgger, the
    default), or those of the policy in the episodes that it solves (self-imitation)."""
    first: int = 0
    """Number of variations of each task to skip, such as those recorded earlier."""
    tasks: tuple[str, ...] | None = None
    """Tasks to record; all training tasks by default."""
    seed: int = 0
    """Seed of the noise."""
    video: Video | None = None
    """Video codec of the pictures: lossless, the default with cameras, or h264, which takes
    an eighth of the space and changes the colours of details a few pixels wide."""
    workers: int = 2
    """Number of worker processes."""
    limit: float = LIMIT
    """Seconds that a step of the simulator may take before it counts as hanging."""


def main(arguments: Sequence[str]) -> None:
    """Collects demonstrations for the given arguments."""
    flags = tyro.cli(Collect, args=arguments, prog="robomtl collect")
    made = flags.make(flags.suite)
    rollouts = _rollouts(flags)
    with run_directory(flags.out, "collect", flags.suite, flags=flags) as out:
        config = CollectionConfig(
            tasks=flags.tasks,
            episodes=flags.episodes,
            noise=flags.noise if flags.noise is not None else 0.0 if rollouts else 0.5,
            seed=flags.seed,
            video=flags.video,
            first=flags.first,
        )
        compute = Compute(workers=flags.workers, limit=flags.limit)
        for recorded in collect_parts(
            made, out, config, rollouts=rollouts, compute=compute
        ):
            count = f"{len(recorded)} episodes of {len(recorded.tasks)} tasks"
            print(f"{count} in {recorded.path}")


def _rollouts(flags: Collect) -> Rollouts | None:
    """The policy that acts, and the recorded labels; None if the experts act."""
    if flags.policy is not None:
        from robomtl.acting.agent import PolicyAgent  # Imports torch.

        return Rollouts(
            agent=PolicyAgent(flags.policy), labels=flags.labels or "expert"
        )
    if flags.labels is not None:
        raise InputError(
            f"--labels {flags.labels} needs a policy that acts; give --policy RUN, or leave"
            " --labels out."
        )
    return None
