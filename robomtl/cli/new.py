"""``robomtl new``: writes a package for a new suite, policy or method."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.new_package import Kind, new_package
from robomtl.terminal import say


@dataclass(frozen=True, kw_only=True)
class New:
    """Writes a small package, with passing tests, as a start for a plug-in."""

    kind: tyro.conf.Positional[Kind]
    """Kind of plug-in."""
    name: tyro.conf.Positional[str]
    """Name under which the plug-in is registered, such as my_suite."""
    out: Path | None = None
    """Folder of the package; by default a folder of this name in the working directory."""


def main(arguments: Sequence[str]) -> None:
    """Writes the package, and prints its folder."""
    flags = tyro.cli(New, args=arguments, prog="robomtl new")
    folder = new_package(flags.kind, flags.name, out=flags.out)
    say(f"Package: {folder}; its README says how to install, test and use it.")
