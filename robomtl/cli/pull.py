"""``robomtl pull``: downloads a policy or demonstrations from the Hugging Face hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.hub.download import pull
from robomtl.terminal import say


@dataclass(frozen=True, kw_only=True)
class Pull:
    """Downloads and verifies a policy or demonstrations. Needs robomtl[hub]."""

    repository: tyro.conf.Positional[str]
    """Owner and name of the repository, such as ME/mt10."""
    out: Path
    """Folder to download into, which must not exist."""


def main(arguments: Sequence[str]) -> None:
    """Downloads, and prints the folder."""
    flags = tyro.cli(Pull, args=arguments, prog="robomtl pull")
    say(f"Pulled: {pull(flags.repository, out=flags.out)}")
