"""``robomtl import``: converts data sets of other tools for training."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import tyro

from robomtl.cli.flags import own_first
from robomtl.errors import InputError
from robomtl.files.paths import located
from robomtl.files.untrusted import read_json
from robomtl.importing import ImportConfig, check_source, import_data
from robomtl.importing.import_report import Report, sentences
from robomtl.importing.importing import REPORT
from robomtl.terminal import say


@own_first
@dataclass(frozen=True, kw_only=True)
class Import(ImportConfig):
    """Converts a data set of LeRobot, robomimic, LIBERO or Minari for training."""

    source: tyro.conf.Positional[Path]
    """File or folder of the data set."""
    out: Path | None = None
    """Folder of the new data set, with report.json beside it."""
    check: bool = False
    """Print the report only, and write nothing."""


def main(arguments: Sequence[str]) -> None:
    """Imports a data set for the given arguments, and prints the report."""
    flags = tyro.cli(Import, args=arguments, prog="robomtl import")
    names = [each.name for each in fields(ImportConfig)]
    config = ImportConfig(**{name: getattr(flags, name) for name in names})
    if flags.check:
        for sentence in sentences(check_source(flags.source, config)):
            say(sentence)
        return
    if flags.out is None:
        raise InputError(
            "--out is missing; give the folder of the new data set, or --check to print"
            " the report only."
        )
    made = import_data(flags.source, flags.out, config)
    for sentence in sentences(read_json(located(flags.out) / REPORT, Report)):
        say(sentence)
    say(f"{len(made)} episodes of {len(made.tasks)} tasks in {made.path}")
