"""``robomtl new``: a package for a suite, a policy or a method of one's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.new_package import Kind, new_package
from robomtl.terminal import say


@dataclass(frozen=True, kw_only=True)
class New:
    """Writes a small package that installs, passes its tests, and is there to be changed."""

    kind: tyro.conf.Positional[Kind]
    """What it adds to robomtl."""
    name: tyro.conf.Positional[str]
    """Name under which robomtl is to know it, such as my_suite."""
    out: Path | None = None
    """Folder of the package; one of this name here by default."""


def main(arguments: Sequence[str]) -> None:
    """Writes the package."""
    flags = tyro.cli(New, args=arguments, prog="robomtl new")
    folder = new_package(flags.kind, flags.name, out=flags.out)
    say(f"Package: {folder}; its README says how to install, test and use it.")
