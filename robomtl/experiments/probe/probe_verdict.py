"""The verdict whether a policy uses its instruction, from right minus shuffled."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from robomtl.evaluation.formatting import change, counted, percent, points
from robomtl.experiments.probe.kinds import RIGHT, SHUFFLED
from robomtl.experiments.probe.probe_rates import Difference, Shared, Verdict, Word


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The evidence for a verdict."""

    name: str
    """Name of the policy."""
    noun: str
    """Noun for its conditioning, such as "instruction"."""
    everything: Shared
    """Rates and differences over all tasks."""
    ambiguous: Shared | None
    """Rates and differences over the tasks that share a scene with another; None if none
    does."""
    families: Mapping[str, Difference | None]
    """Right minus shuffled in each family, with Bonferroni-corrected intervals; None if no
    trial was played under both."""
    margin: float
    """Smallest difference of success that counts as use of the instruction."""


def judged(evidence: Evidence) -> Verdict:
    """The verdict: the policy uses its instruction, ignores it, or neither is shown.

    With D the interval of right minus shuffled over the tasks that share scenes:

    1. The policy uses its instruction if D lies above zero and reaches the margin; or if
       this is true of a family, by an interval corrected for the number of families.
    2. It ignores its instruction if D lies entirely between minus the margin and the
       margin: an equivalence test.
    3. Otherwise the verdict is undecided. It is also undecided if there is no D; if no tasks
       share a scene, since the scene may then determine the task; and if success under the
       right instruction is below the margin, since no more than that can be lost.

    Source of 2: D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987), 657-680.
    """
    group = evidence.ambiguous or evidence.everything
    found = group.differences.get(SHUFFLED)
    used_in = tuple(
        family for family, d in evidence.families.items() if _shows(d, evidence)
    )
    if found is None:
        return _undecided(
            evidence, f"no trial was played under both {RIGHT} and {SHUFFLED}"
        )
    measured = _sentence(evidence, group, found)
    if _shows(found, evidence):
        sentence = f"{evidence.name} uses its {evidence.noun}: {measured}."
        return _verdict(evidence, "uses", sentence)
    if used_in:
        sentence = (
            f"{evidence.name} uses its {evidence.noun} in {', '.join(used_in)}; this is"
            f" not shown over all scenes: {measured}."
        )
        return _verdict(evidence, "uses", sentence, used_in)
    doubt = _doubt(evidence, group, found)
    if doubt:
        return _undecided(evidence, f"{measured}, and {doubt}")
    sentence = (
        f"{evidence.name} IGNORES its {evidence.noun}: {measured}, entirely within the"
        f" margin of {100 * evidence.margin:g} points."
    )
    return _verdict(evidence, "ignores", sentence)


def _shows(difference: Difference | None, evidence: Evidence) -> bool:
    return (
        difference is not None
        and difference.interval.low > 0
        and difference.interval.high >= evidence.margin
    )


def _doubt(evidence: Evidence, group: Shared, difference: Difference) -> str:
    """Reason why the verdict is undecided; empty if it is not."""
    right = group.kinds[RIGHT].task_mean or 0.0
    if difference.interval.high < 0 and difference.interval.low < -evidence.margin:
        return (
            "success is higher under other instructions, which neither verdict explains"
        )
    if evidence.ambiguous is None:
        return "the suite names no tasks that share a scene: see 'families' in its contract"
    if right < evidence.margin:
        return (
            f"since only {percent(right)} of trials succeed under the right instruction,"
            " there is little to lose"
        )
    if max(-difference.interval.low, difference.interval.high) < evidence.margin:
        return ""
    return _needed(evidence, difference)


def _needed(evidence: Evidence, difference: Difference) -> str:
    """Sentence with the number of trials for which the interval would fit the margin."""
    low, high = difference.interval
    trials = math.ceil(difference.pairs * ((high - low) / (2 * evidence.margin)) ** 2)
    margin = f"the margin of {100 * evidence.margin:g} points"
    more = max(2 * difference.pairs, trials + 1)
    return (
        f"the interval includes zero and exceeds {margin}; about {more:,} trials of each"
        f" kind are needed for an interval within it, {difference.pairs:,} so far"
    )


def _sentence(evidence: Evidence, group: Shared, difference: Difference) -> str:
    number = counted(len(group.tasks), "task")
    sharing = "shares its scene" if len(group.tasks) == 1 else "share scenes"
    over = number if evidence.ambiguous is None else f"the {number} that {sharing}"
    return (
        f"right minus shuffled is {points(difference.difference)} points"
        f" ({change(difference.interval)}) over {over}"
    )


def _undecided(evidence: Evidence, reason: str) -> Verdict:
    sentence = (
        f"Whether {evidence.name} uses its {evidence.noun} is undecided: {reason}."
    )
    return _verdict(evidence, "undecided", sentence)


def _verdict(
    evidence: Evidence, word: Word, sentence: str, families: tuple[str, ...] = ()
) -> Verdict:
    return Verdict(
        word=word, sentence=sentence, margin=evidence.margin, families=families
    )
