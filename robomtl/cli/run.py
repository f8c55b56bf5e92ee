"""``robomtl run``: a named recipe, from nothing to a report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.adaptation.tables import methods_table
from robomtl.cli.flags import run_directory
from robomtl.cli.tables import show
from robomtl.evaluation import success_table
from robomtl.recipes import RECIPES, Recipe, run
from robomtl.sharing.tables import arms_table


@dataclass(frozen=True, kw_only=True)
class Run:
    """Collects if missing, trains, evaluates and reports."""

    recipe: tyro.conf.Positional[str]
    """Recipe, such as quickstart."""
    out: Path | None = None
    """Run directory; a dated one under runs/ by default. An existing one is resumed."""
    data: Path | None = None
    """Demonstrations recorded before."""
    seed: int = 0
    """Seed of everything that is drawn."""
    workers: int = 2
    """Processes that collect and evaluate."""


def main(arguments: Sequence[str]) -> None:
    """Runs the recipe that the arguments name."""
    flags = tyro.cli(Run, args=arguments, prog="robomtl run")
    with run_directory(flags.out, "run", flags.recipe) as out:
        ran = run(
            flags.recipe,
            out=out,
            data=flags.data,
            seed=flags.seed,
            workers=flags.workers,
        )
    if ran.methods is not None:
        show(methods_table(ran.methods))
        print(f"Report: {out / 'adaptation' / 'report.html'}")
        return
    for kind, result in ran.results.items():
        print(f"\n{_heading(flags.recipe, kind)}", flush=True)
        show(success_table(result))
    if ran.arms is not None:
        print("\nThe tasks learned together and each alone:", flush=True)
        show(arms_table(ran.arms))
        print(f"Report of both: {out / 'multitask' / 'report.html'}")
    print(f"Report: {out / 'report.html'}")


def _heading(recipe: str, kind: str) -> str:
    """What a table of results is of: a kind of wording, or a method."""
    known = RECIPES[recipe]
    new = known.new_task if isinstance(known, Recipe) else None
    if new is None or kind not in new.methods:
        return f"Told in {kind} instructions:"
    return f"A task it had not seen, {kind} on {new.shots} demonstrations:"
