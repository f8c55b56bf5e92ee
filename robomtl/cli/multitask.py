"""``robomtl multitask``: tasks learned together against each alone."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import tyro

from robomtl.cli.flags import SuiteFlags, run_directory
from robomtl.cli.tables import show
from robomtl.experiments.settings import by_label, parsed
from robomtl.sharing.arms import BASES, EVERY
from robomtl.sharing.comparing import NOISE, REPORT, RESULTS, multitask
from robomtl.sharing.planning import Asked, Design
from robomtl.sharing.tables import arms_table


@dataclass(frozen=True, kw_only=True)
class Multitask(SuiteFlags, Design):
    """Trains one policy on all tasks and one on each, and writes which does better."""

    suite: tyro.conf.Positional[str]
    """Suite, such as metaworld/MT10."""
    arms: tuple[str, ...] = tuple(BASES)
    """Ways to learn; LABEL=ARM for one that is there twice, with other settings."""
    settings: tuple[str, ...] = ()
    """Settings of arms, such as wide.policy_config.width=512; every.NAME for all."""
    data: Path | None = None
    """Demonstrations; collected by default."""
    noise: float = NOISE
    """Disturbance of the experts that are collected from."""
    out: Path | None = None
    """Folder of the results; a dated one under runs/ by default."""
    workers: int = 2
    """Processes."""


def main(arguments: Sequence[str]) -> None:
    """Compares as the arguments say."""
    flags = tyro.cli(Multitask, args=arguments, prog="robomtl multitask")
    asked = asked_for(flags)
    suite = flags.make(flags.suite)
    with run_directory(flags.out, "multitask", suite.name) as out:
        found = multitask(
            suite,
            asked,
            out=out,
            data=flags.data,
            noise=flags.noise,
            workers=flags.workers,
        )
    show(arms_table(found))
    print(f"Results: {out / RESULTS}")
    print(f"Report: {out / REPORT}")


def asked_for(flags: Multitask) -> Asked:
    """What the flags ask for.

    Raises:
        ValueError: If a word of arms or settings is of another form, or a label is
            unknown.
    """
    arms = by_label(flags.arms, noun="arm")
    settings = parsed(
        flags.settings,
        {**arms, EVERY: EVERY},
        noun="arm",
        example="wide.policy_config.width=512",
    )
    same = {each.name: getattr(flags, each.name) for each in fields(Design)}
    return Asked(arms=arms, settings=settings, **same)
