"""``robomtl tune``: hyper-parameters of methods, chosen without held-out tasks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.table import Table

from robomtl.adaptation.family import find_family, trained_agent
from robomtl.adaptation.settings import gridded
from robomtl.adaptation.tuning import CONFIG, tune
from robomtl.cli.flags import SuiteFlags, run_directory
from robomtl.cli.tables import show
from robomtl.evaluation.figures import percent
from robomtl.machine import Machine


@dataclass(frozen=True, kw_only=True)
class Tune(SuiteFlags, Machine):
    """Holds out training tasks in turn, and tries a grid of settings on them."""

    run: tyro.conf.Positional[Path]
    """Run directory of a policy, or a folder of them, with the demonstrations in it."""
    grid: tuple[str, ...]
    """What to try, such as finetune.steps=30,100,300 finetune.part=all,head."""
    suite: str | None = None
    """Suite; the one the policies were trained on by default."""
    shots: tuple[int, ...] = (1, 5)
    """Numbers of demonstrations."""
    folds: int = 3
    """Parts into which the training tasks are dealt; each is held out once."""
    supports: int = 2
    """Draws of the demonstrations for each number."""
    trials: int = 20
    """Trials of each task."""
    batch_size: int = 256
    """Samples in a gradient step."""
    out: Path | None = None
    """Folder; a dated one under runs/ by default. Its config.json is for adapt --config."""
    workers: int = 2
    """Processes."""


def main(arguments: Sequence[str]) -> None:
    """Tunes as the arguments say."""
    flags = tyro.cli(Tune, args=arguments, prog="robomtl tune")
    family = find_family(flags.run)
    suite = flags.make_for(trained_agent(family), flags.suite)
    with run_directory(flags.out, "tune", suite.name) as out:
        tried = tune(
            family,
            suite,
            gridded(flags.grid),
            out=out,
            shots=flags.shots,
            num_folds=flags.folds,
            supports=flags.supports,
            trials=flags.trials,
            batch_size=flags.batch_size,
            machine=Machine(device=flags.device, precision=flags.precision),
            workers=flags.workers,
        )
    table = Table("method", "settings", "success", title="Best first")
    for method, some in tried.items():
        for each in some:
            words = json.dumps(each.settings)
            table.add_row(method, words, percent(each.success))
    show(table)
    print(f"Settings: {out / CONFIG}")
