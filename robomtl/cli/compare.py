"""``robomtl compare``: tests which of two policies is better."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from robomtl.cli.agents import named_agent, suite_for
from robomtl.cli.compute_flags import ExecutorFlags
from robomtl.cli.flags import (
    SuiteFlags,
    changed,
    flags_of,
    own_first,
    warn_of_goals,
)
from robomtl.cli.run_directory import run_directory
from robomtl.cli.tables import show_report
from robomtl.errors import InputError
from robomtl.evaluation.conditions import Conditions
from robomtl.execution.compute import Compute
from robomtl.experiments.compare import (
    SequentialConfig,
    compare,
    compare_seeds,
    compare_sequentially,
)
from robomtl.experiments.compare.compare_report import paired_report, verdict_report
from robomtl.experiments.compare.comparison import PAGE
from robomtl.experiments.compare.seeds_report import seeds_report


@own_first
@dataclass(frozen=True, kw_only=True)
class Compare(SuiteFlags, ExecutorFlags):
    """Compares two evaluations on the trials they share; differences are A minus B."""

    folders: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Two evaluations, A and B; with --sequential, two run directories or 'expert'."""
    a: tuple[Path, ...] = ()
    """In place of FOLDERS: evaluations of several training seeds of A."""
    b: tuple[Path, ...] = ()
    """In place of FOLDERS: evaluations of several training seeds of B."""
    across: bool = False
    """Allow evaluations under different conditions."""
    confidence: float = 0.95
    """Confidence of intervals; the significance level of tests is 1 minus this."""
    seed: int = 0
    """Sequential: seed of the order of tasks."""
    out: Path | None = None
    """Folder for comparison.json and comparison.html; with --sequential a dated one under
    runs/ by default, in which an interrupted comparison can be resumed."""
    sequential: bool = False
    """Run trials of two policies until it is decided which is better."""
    test: Literal["pairs", "streams"] = "pairs"
    """Sequential: pairs counts trials that only one policy solved, streams compares success
    rates."""
    suite: str | None = None
    """Sequential: suite, such as metaworld/MT50; by default the one A was trained on."""
    tasks: tuple[str, ...] | None = None
    """Sequential: tasks to evaluate; all training tasks by default."""
    variations: str = "fresh"
    """Sequential: split of variations."""
    episodes: int = 50
    """Sequential: largest number of trials per task."""
    instructions: str = "canonical"
    """Sequential: canonical, held-out, shuffled, none, or a JSON file of wordings."""
    until: Literal["horizon", "success"] = "success"
    """Sequential: whether a trial ends at its horizon or at its first success."""


_BOTH = {"folders", "confidence", "out", "sequential"}
_FINISHED = {"a", "b", "across"}  # Only for finished evaluations.


def main(arguments: Sequence[str]) -> None:
    """Runs the comparison for the given arguments."""
    flags = tyro.cli(Compare, args=arguments, prog="robomtl compare")
    _refuse_ignored(flags)
    if flags.sequential:
        _sequential(flags)
    elif flags.a or flags.b:
        _seeds(flags)
    else:
        _paired(flags)


def _paired(flags: Compare) -> None:
    a, b = _two(flags)
    found = compare(
        a,
        b,
        across=flags.across,
        confidence=flags.confidence,
        out=flags.out,
    )
    show_report(paired_report(found))
    _say_where(flags.out)


def _seeds(flags: Compare) -> None:
    if flags.folders:
        raise InputError(
            "Give either two folders, or evaluations of several seeds as --a and --b."
        )
    found = compare_seeds(
        flags.a,
        flags.b,
        across=flags.across,
        confidence=flags.confidence,
        out=flags.out,
    )
    show_report(seeds_report(found))
    _say_where(flags.out)


def _sequential(flags: Compare) -> None:
    a, b = (named_agent(folder) for folder in _two(flags))
    suite = suite_for(a, flags.suite, flags)
    for agent in (a, b):
        warn_of_goals(agent, suite, flags.tasks)
    conditions = Conditions(
        tasks=flags.tasks,
        split=flags.variations,
        episodes=flags.episodes,
        instructions=flags.instructions,
        until=flags.until,
        seed=flags.seed,
    )
    with run_directory(flags.out, "compare", suite.name, flags=flags) as out:
        found = compare_sequentially(
            a,
            b,
            suite,
            out=out,
            config=SequentialConfig(
                conditions=conditions,
                alpha=round(1 - flags.confidence, 12),
                test=flags.test,
            ),
            compute=Compute(executor=flags.executor),
        )
    show_report(verdict_report(found))
    _say_where(out)


def _say_where(out: Path | None) -> None:
    if out is not None:
        print(f"Page: {out / PAGE}")


def _refuse_ignored(flags: Compare) -> None:
    """Refuses flags that the chosen kind of comparison would ignore.

    Raises:
        InputError: If there are any; the message says which comparison uses them.
    """
    given = {*changed(flags)}
    ignored = given & _FINISHED if flags.sequential else given - _FINISHED - _BOTH
    if not ignored:
        return
    names = flags_of(sorted(ignored))
    if flags.sequential:
        raise InputError(
            f"{names}: a sequential comparison (--sequential) does not accept this; leave"
            " it out."
        )
    raise InputError(
        f"{names}: only a sequential comparison (--sequential) accepts this. Finished"
        " evaluations are compared on all trials that they share; leave it out, or"
        " evaluate the policies with other settings first."
    )


def _two(flags: Compare) -> tuple[Path, Path]:
    if len(flags.folders) != 2:
        raise InputError(
            f"Give two folders, A and B; given: {len(flags.folders)}. Give several seeds of"
            " each as --a A1 A2 --b B1 B2."
        )
    first, second = flags.folders
    return first, second
