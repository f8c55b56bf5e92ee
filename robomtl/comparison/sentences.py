"""Comparisons in words, for the terminal and the page."""

from collections.abc import Iterator

from robomtl.comparison.findings import Comparison, SeedComparison
from robomtl.comparison.verdict import Verdict
from robomtl.evaluation.figures import counted, p_value


def paired_sentences(found: Comparison) -> Iterator[str]:
    """What two evaluations show."""
    yield paired_trials(found)
    yield (
        f"McNemar's exact test: p = {p_value(found.p_value)}. A is worse in"
        f" {counted(len(found.worse), 'task')} and better in {len(found.better)}, by"
        f" Holm's correction for {counted(len(found.tasks), 'task')}."
    )
    yield settled(found)
    yield from warnings(found)


def paired_trials(found: Comparison) -> str:
    """Which trials are compared, and which are not."""
    return (
        f"{counted(found.tally.pairs, 'trial')} that both played; {found.errors} more"
        f" ended in an error, {found.only_a} are of A only, {found.only_b} of B only."
    )


def settled(found: Comparison) -> str:
    """Whether they differ, and how many more trials would tell."""
    level = f"{1 - found.confidence:.2g}"
    if found.more_to_settle == 0:
        return f"They differ, at a level of {level}."
    if found.more_to_settle is None:
        return "No difference is seen that more trials could settle."
    return (
        f"Not settled at a level of {level}. Were they to differ as much as seen,"
        f" {found.more_to_settle:,} more trials of each would settle it in 80 % of cases."
    )


def seeds_sentences(found: SeedComparison) -> Iterator[str]:
    """What several seeds of training show."""
    yield (
        f"{len(found.a)} and {len(found.b)} seeds of training,"
        f" {counted(len(found.tasks), 'task')}; {found.confidence:.0%} intervals over"
        " seeds and trials; rliable's definitions."
    )
    if found.errors:
        yield f"{counted(found.errors, 'trial')} ended in an error and are in no rate."
    yield from warnings(found)


def verdict_sentences(found: Verdict) -> Iterator[str]:
    """What is known once two agents stop."""
    threshold = f"{1 / found.alpha:.3g}"
    if found.better is None:
        yield f"Not settled: E has not come to {threshold}."
    else:
        yield (
            f"{found.better.upper()} is better: E came to {threshold} after"
            f" {counted(found.settled_after or 0, 'pair')}. Equal agents get there in at"
            f" most {found.alpha:.0%} of cases."
        )
    if found.errors:
        yield f"{counted(found.errors, 'trial')} more ended in an error."
    yield "Shares at a moment chosen by the result flatter the better agent."


def warnings(found: Comparison | SeedComparison) -> Iterator[str]:
    """What keeps the two from being alike in all but the agents, or makes them err."""
    if found.left_out:
        yield f"Tasks left out: {', '.join(found.left_out)}."
    if found.differing:
        yield f"Not alike: {'; '.join(found.differing)}."
    yield from found.goal_warnings


def named(agents: tuple[str, ...]) -> str:
    """The names of seeds, each once."""
    return ", ".join(dict.fromkeys(agents))
