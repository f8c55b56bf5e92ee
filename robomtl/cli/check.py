"""``robomtl check``: whether a suite keeps the contract."""

from collections.abc import Sequence
from dataclasses import dataclass

import tyro

from robomtl.checking.checking import check_suite
from robomtl.cli.flags import SuiteFlags, own_first
from robomtl.terminal import say


@own_first
@dataclass(frozen=True, kw_only=True)
class Check(SuiteFlags):
    """Runs the contract of suites and envs against one suite."""

    suite: tyro.conf.Positional[str]
    """Suite, such as metaworld/MT10."""
    tasks: tuple[str, ...] | None = None
    """Tasks to check; all by default."""


def main(arguments: Sequence[str]) -> None:
    """Checks as the arguments say; exits with 1 where something is wrong."""
    flags = tyro.cli(Check, args=arguments, prog="robomtl check")
    problems = check_suite(flags.make(flags.suite), tasks=flags.tasks)
    for problem in problems:
        say(str(problem))
    if problems:
        raise SystemExit(1)
    print(f"{flags.suite} keeps the contract.")
