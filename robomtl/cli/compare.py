"""``robomtl compare``: which of two policies is better, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console

from robomtl.actor import Agent
from robomtl.agent import PolicyAgent
from robomtl.cli.flags import SuiteFlags, dated
from robomtl.comparison import (
    compare,
    compare_seeds,
    compare_sequentially,
    comparison_table,
    seeds_table,
    verdict_table,
)
from robomtl.evaluation import ExpertAgent
from robomtl.evaluation.conditions import Conditions


@dataclass(frozen=True, kw_only=True)
class Compare(SuiteFlags):
    """Compares two evaluations on the trials they share; differences are A less B."""

    folders: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Two evaluations, A and B; with --sequential, two run directories or 'expert'."""
    a: tuple[Path, ...] = ()
    """Instead: evaluations of several seeds of training of A ..."""
    b: tuple[Path, ...] = ()
    """... and of B."""
    across: bool = False
    """Compare evaluations under different conditions."""
    confidence: float = 0.95
    """Of intervals; tests are at the level it leaves."""
    seed: int = 0
    """Seed of the bootstrap; with --sequential, of the order of tasks."""
    out: Path | None = None
    """Folder for comparison.json; with --sequential a dated one under runs/ by default,
    in which an interrupted comparison goes on."""
    sequential: bool = False
    """Let two policies play until it is settled which is better."""
    test: Literal["pairs", "streams"] = "pairs"
    """Sequential: count trials that one solved alone, or compare rates of success."""
    suite: str | None = None
    """Sequential: suite, such as metaworld/MT50; the one A was trained on by default."""
    tasks: tuple[str, ...] | None = None
    """Sequential: tasks to play; all training tasks by default."""
    variations: str = "fresh"
    """Sequential: split of variations."""
    episodes: int = 50
    """Sequential: most trials a task."""
    instructions: str = "canonical"
    """Sequential: canonical, held-out, shuffled, none, or a JSON file of wordings."""
    until: Literal["horizon", "success"] = "success"
    """Sequential: whether a trial ends at its horizon or at its first success."""
    workers: int = 2
    """Sequential: processes."""


def main(arguments: Sequence[str]) -> None:
    """Compares as the arguments say."""
    flags = tyro.cli(Compare, args=arguments, prog="robomtl compare")
    of_seeds = bool(flags.a or flags.b)
    if of_seeds == bool(flags.folders) or (flags.folders and len(flags.folders) != 2):
        raise ValueError(
            f"{len(flags.folders)} folders were given; give two, A and B, or several"
            " seeds of each as --a A1 A2 --b B1 B2."
        )
    if flags.sequential:
        _sequential(flags)
        return
    options = {"across": flags.across, "confidence": flags.confidence}
