"""``robomtl multitask``: compares multi-task with single-task training."""

from collections.abc import Sequence
from dataclasses import dataclass

import tyro

from robomtl.cli.compute_flags import ComputeFlags
from robomtl.cli.flags import RecordingFlags, SuiteFlags, own_first
from robomtl.cli.labels import ArmFlags, arms_from
from robomtl.cli.run_directory import run_directory
from robomtl.cli.tables import show_experiment
from robomtl.experiments.multitask.arm_experiment import NOISE, multitask
from robomtl.experiments.multitask.arm_report import arms_report


@own_first
@dataclass(frozen=True, kw_only=True)
class Multitask(SuiteFlags, ComputeFlags, RecordingFlags, ArmFlags):
    """Trains one policy on all tasks and one on each, and compares their success."""

    suite: tyro.conf.Positional[str]
    """Suite, such as metaworld/MT10."""


def main(arguments: Sequence[str]) -> None:
    """Runs the comparison for the given arguments."""
    flags = tyro.cli(Multitask, args=arguments, prog="robomtl multitask")
    request = arms_from(flags)
    suite = flags.make(flags.suite)
    with run_directory(flags.out, "multitask", suite.name, flags=flags) as out:
        found = multitask(
            suite,
            request,
            out=out,
            data=flags.data,
            noise=flags.noise_or(NOISE),
            compute=flags.compute,
        )
    show_experiment(arms_report(found), out)
