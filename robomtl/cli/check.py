"""``robomtl check``: tests whether a suite or a policy keeps its contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.checking.checking import check_suite
from robomtl.checking.violations import Problem
from robomtl.checking.watching import LIMIT
from robomtl.cli.flags import SuiteFlags, changed, flags_of, own_first
from robomtl.errors import InputError
from robomtl.nearest import unknown
from robomtl.suites import SUITES
from robomtl.terminal import say


@own_first
@dataclass(frozen=True, kw_only=True)
class Check(SuiteFlags):
    """Tests the contract of a suite and its envs, or of a policy."""

    name: tyro.conf.Positional[str]
    """Suite, such as metaworld/MT10; policy, such as film; or a run directory."""
    tasks: tuple[str, ...] | None = None
    """Tasks of the suite to check; all by default."""
    limit: float = LIMIT
    """Seconds that a call of an env may take before it counts as hanging."""


def main(arguments: Sequence[str]) -> None:
    """Runs the check and prints each problem; exits with status 1 if there are any."""
    flags = tyro.cli(Check, args=arguments, prog="robomtl check")
    problems = _problems(flags)
    for problem in problems:
        say(str(problem))
    if problems:
        raise SystemExit(1)
    print(f"{flags.name} keeps the contract.")


def _refuse_flags_of_suites(flags: Check) -> None:
    superfluous = [name for name in changed(flags) if name != "name"]
    if superfluous:
        raise InputError(
            f"{flags.name} is a policy, and only the check of a suite accepts"
            f" {flags_of(superfluous)}; leave it out."
        )


def _problems(flags: Check) -> list[Problem]:
    """The problems of the named suite or policy.

    Raises:
        InputError: If the name is neither a suite nor a policy.
    """
    if flags.name.partition("/")[0] in SUITES.names():
        return check_suite(flags.make(flags.name), tasks=flags.tasks, limit=flags.limit)
    return _problems_of_policy(flags)


def _problems_of_policy(flags: Check) -> list[Problem]:
    from robomtl.checking.policy_check import check_policy  # Imports torch.
    from robomtl.policy import POLICIES

    folder, registered = Path(flags.name).expanduser(), flags.name in POLICIES.names()
    if not registered and (folder / "pyproject.toml").is_file():
        raise InputError(
            f"{flags.name} is the folder of a package, and no suite or policy of this name"
            f" is installed. Install it (pip install -e {folder.resolve()}), and give the"
            " name that it registers."
        )
    if registered or folder.is_dir():
        _refuse_flags_of_suites(flags)
        return check_policy(flags.name)
    names = [*SUITES.names(), *POLICIES.names()]
    raise InputError(
        f"{unknown('suite or policy', flags.name, names)} Names that your own module"
        " registers are known once it is imported (robomtl --import MODULE)."
    )
