"""A page for each kind of comparison: self-contained, for any screen, without network."""

import math
from collections.abc import Sequence

from robomtl.comparison.findings import Comparison, SeedComparison
from robomtl.comparison.grid import pair_grid
from robomtl.comparison.pairing import Pair
from robomtl.comparison.sentences import (
    named,
    paired_trials,
    seeds_sentences,
    settled,
    verdict_sentences,
    warnings,
)
from robomtl.comparison.verdict import Verdict
from robomtl.pages.reach import reach_of
from robomtl.pages.rendering import rendered

_PACKAGE = "robomtl.comparison"


def paired_page(found: Comparison, pairs: Sequence[Pair]) -> str:
    """Two evaluations: the mean difference, that of each task, and who solved what.

    Args:
        found: What they show.
        pairs: The trials they share, those that ended in an error too.
    """
    tasks = sorted(found.tasks.items(), key=lambda item: -item[1].difference)
    intervals = [found.interval, *(task.interval for _, task in tasks)]
    return rendered(
        _PACKAGE,
        "paired.html",
        found=found,
        alpha=round(1 - found.confidence, 12),
        tasks=tasks,
        reach=reach_of(intervals),
        trials=paired_trials(found),
        settled=settled(found),
        warnings=list(warnings(found)),
        grid=pair_grid(pairs, [name for name, _ in tasks]),
    )


def seeds_page(found: SeedComparison) -> str:
    """Several seeds of training of each: aggregates over seeds and tasks."""
    return rendered(
        _PACKAGE,
        "seeds.html",
        found=found,
        a=named(found.a),
        b=named(found.b),
        sentences=list(seeds_sentences(found)),
        reach=reach_of([found.difference.interval]),
    )


def verdict_page(found: Verdict, pairs: Sequence[Pair]) -> str:
    """Two agents that played until it was settled: the evidence after each pair.

    Args:
        found: What is known.
        pairs: The trials they played, those that ended in an error too.
    """
    evidence = [e / math.log(10) for e in found.evidence]
    return rendered(
        _PACKAGE,
        "sequential.html",
        found=found,
        sentences=list(verdict_sentences(found)),
        evidence=evidence,
        threshold=-math.log10(found.alpha),
        grid=pair_grid(pairs, list(dict.fromkeys(pair.a.task for pair in pairs))),
    )
