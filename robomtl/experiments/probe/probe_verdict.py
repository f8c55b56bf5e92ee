"""Whether a policy uses its instruction: right minus shuffled where scenes are shared."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from robomtl.evaluation.figures import change, counted, percent, points
from robomtl.experiments.probe.kinds import RIGHT, SHUFFLED
from robomtl.experiments.probe.probe_rates import Difference, Shared, Verdict, Word


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The evidence by which a verdict is given."""

    name: str
    """Name of the policy."""
    noun: str
    """Name of its conditioning."""
    everything: Shared
    """All tasks."""
    ambiguous: Shared | None
    """Tasks that share a scene with another; None if there is none."""
    families: Mapping[str, Difference | None]
    """Right minus shuffled in each family, with an interval that Bonferroni's correction
    makes hold for all of them at once."""
    margin: float


def judged(given: Evidence) -> Verdict:
    """The verdict: the policy uses its instruction, ignores it, or neither is shown.

    With D the interval of right minus shuffled over the tasks that share scenes:

    1. It uses its instruction if D lies above zero and does not lie below the margin; or if that
       holds in some family, by an interval corrected for the number of families.
    2. It ignores its instruction if D lies wholly between minus the margin and the
       margin: an equivalence test.
    3. Otherwise the trials do not decide; nor if there is no D; if no tasks share scenes, as
       then policies may solve them by what they see; or if less than the margin is
       solved under the right instruction, as then no more can be lost.

    Source of 2: D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987), 657-680.
    """
    group = given.ambiguous or given.everything
    found = group.differences.get(SHUFFLED)
    where = tuple(family for family, d in given.families.items() if _shows(d, given))
    if found is None:
        return _undecided(
            given, f"no trial was played both ways, {RIGHT} and {SHUFFLED}"
        )
    seen = _seen(given, group, found)
    if _shows(found, given):
        sentence = f"{given.name} uses its {given.noun}: {seen}."
        return _verdict(given, "uses", sentence)
    if where:
        sentence = (
            f"{given.name} uses its {given.noun} in {', '.join(where)}, and solves"
            f" other scenes without: {seen}."
        )
        return _verdict(given, "uses", sentence, where)
    doubt = _doubt(given, group, found)
    if doubt:
        return _undecided(given, f"{seen}, and {doubt}")
    sentence = (
        f"{given.name} IGNORES its {given.noun}: {seen}, which lies wholly within the"
        f" margin of {100 * given.margin:g} points."
    )
    return _verdict(given, "ignores", sentence)


def _shows(found: Difference | None, given: Evidence) -> bool:
    return (
        found is not None
        and found.interval.low > 0
        and found.interval.high >= given.margin
    )


def _doubt(given: Evidence, group: Shared, found: Difference) -> str:
    """Why the trials do not decide; empty if they do."""
    right = group.kinds[RIGHT].task_mean or 0.0
    if found.interval.high < 0 and found.interval.low < -given.margin:
        return (
            "it does better under other instructions, which neither of the two explains"
        )
    if given.ambiguous is None:
        return "the suite names no tasks that share a scene: see 'families' in its contract"
    if right < given.margin:
        return (
            f"as only {percent(right)} are solved under the right instruction, there is"
            " little to lose"
        )
    if max(-found.interval.low, found.interval.high) < given.margin:
        return ""
    return _needed(given, found)


def _needed(given: Evidence, found: Difference) -> str:
    """The number of trials whose interval would fit into the margin."""
    low, high = found.interval
    trials = math.ceil(found.pairs * ((high - low) / (2 * given.margin)) ** 2)
    margin = f"the margin of {100 * given.margin:g} points"
    more = max(2 * found.pairs, trials + 1)
    return (
        f"the interval holds zero and reaches beyond {margin}; it takes about {more:,}"
        f" trials of each kind, {found.pairs:,} so far, for one that fits into it"
    )


def _seen(given: Evidence, group: Shared, found: Difference) -> str:
    number = counted(len(group.tasks), "task")
    sharing = "shares its scene" if len(group.tasks) == 1 else "share scenes"
    over = number if given.ambiguous is None else f"the {number} that {sharing}"
    return (
        f"right minus shuffled is {points(found.difference)} points"
        f" ({change(found.interval)}) over {over}"
    )


def _undecided(given: Evidence, reason: str) -> Verdict:
    sentence = f"Whether {given.name} uses its {given.noun} is undecided: {reason}."
    return _verdict(given, "undecided", sentence)


def _verdict(
    given: Evidence, word: Word, sentence: str, families: tuple[str, ...] = ()
) -> Verdict:
    return Verdict(word=word, sentence=sentence, margin=given.margin, families=families)
