"""``robomtl export``: writes an evaluation in the format of another tool."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from robomtl.evaluation.lerobot_info import export_evaluation
from robomtl.terminal import say


@dataclass(frozen=True, kw_only=True)
class Export:
    """Writes an evaluation in the format of another tool, beside its own files."""

    folder: tyro.conf.Positional[Path]
    """Folder of the evaluation."""
    format: Literal["lerobot"] = "lerobot"
    """Format; lerobot: eval_info.json, as lerobot-eval writes it."""


def main(arguments: Sequence[str]) -> None:
    """Writes the file, and prints its path."""
    flags = tyro.cli(Export, args=arguments, prog="robomtl export")
    say(f"Written: {export_evaluation(flags.folder)}")
