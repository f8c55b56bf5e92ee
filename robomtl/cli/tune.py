"""``robomtl tune``: chooses hyper-parameters of adaptation methods on training tasks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import tyro
from rich.table import Table

from robomtl.cli.agents import suite_of
from robomtl.cli.compute_flags import ComputeFlags
from robomtl.cli.flags import SuiteFlags, own_first
from robomtl.cli.run_directory import run_directory
from robomtl.cli.tables import show
from robomtl.evaluation.formatting import percent
from robomtl.experiments.adapt.family import find_family, first_member
from robomtl.experiments.adapt.tuning import CONFIG, Tuning, tune
from robomtl.experiments.settings import gridded


@own_first
@dataclass(frozen=True, kw_only=True)
class Tune(SuiteFlags, ComputeFlags, Tuning):
    """Holds out training tasks in turn, and tries a grid of hyper-parameters on them."""

    run: tyro.conf.Positional[Path]
    """Run directory of a policy, or a folder of policies, with their demonstrations."""
    grid: tuple[str, ...]
    """Values to try, such as finetune.steps=30,100,300 finetune.part=all,head."""
    suite: str | None = None
    """Suite; by default the one the policies were trained on."""
    out: Path | None = None
    """Folder of the results; a dated one under runs/ by default. Its config.json is the
    input of adapt --config."""


def main(arguments: Sequence[str]) -> None:
    """Runs the grid search for the given arguments, and prints the results."""
    flags = tyro.cli(Tune, args=arguments, prog="robomtl tune")
    family = find_family(flags.run)
    member = first_member(family)
    suite = suite_of(member.trained.card, member.run.name, flags.suite, flags)
    with run_directory(flags.out, "tune", suite.name, flags=flags) as out:
        tried = tune(
            family,
            suite,
            gridded(flags.grid),
            Tuning(**{each.name: getattr(flags, each.name) for each in fields(Tuning)}),
            out=out,
            compute=flags.compute,
        )
    table = Table("method", "settings", "success", title="Best first")
    for method, some in tried.items():
        for each in some:
            words = json.dumps(each.settings)
            table.add_row(method, words, percent(each.success))
    show(table)
    print(f"Settings: {out / CONFIG}")
