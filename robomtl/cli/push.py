"""``robomtl push``: uploads a policy or demonstrations to the Hugging Face hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from robomtl.hub.upload import push
from robomtl.terminal import say


@dataclass(frozen=True, kw_only=True)
class Push:
    """Uploads a policy or demonstrations, with a card. Needs robomtl[hub]."""

    folder: tyro.conf.Positional[Path]
    """Run directory of the policy, or folder of the data set."""
    repository: tyro.conf.Positional[str]
    """Owner and name of the repository, such as ME/mt10; created if missing."""
    evaluations: tuple[Path, ...] = ()
    """Folders of further evaluations of the policy; evaluations in its run directory are
    included."""
    license: str = "unknown"
    """The hub's name of a licence, such as apache-2.0."""
    private: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Make a newly created repository private."""


def main(arguments: Sequence[str]) -> None:
    """Uploads, and prints the address."""
    flags = tyro.cli(Push, args=arguments, prog="robomtl push")
    address = push(
        flags.folder,
        flags.repository,
        evaluations=flags.evaluations,
        license_name=flags.license,
        private=flags.private or None,
    )
    say(f"Pushed: {address}")
