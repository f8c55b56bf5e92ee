"""``robomtl pull``: a policy or demonstrations from the Hugging Face hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.hub.download import pull
from robomtl.terminal import say


@dataclass(frozen=True, kw_only=True)
class Pull:
    """Gets a policy or demonstrations from the hub, verified. Needs robomtl[hub]."""

    repository: tyro.conf.Positional[str]
    """Owner and name of the repository."""
    out: Path
    """Folder that receives it, which must not exist."""


def main(arguments: Sequence[str]) -> None:
    """Pulls, and prints where it is."""
    flags = tyro.cli(Pull, args=arguments, prog="robomtl pull")
    say(f"Pulled: {pull(flags.repository, out=flags.out)}")
