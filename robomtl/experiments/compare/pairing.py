"""Pairs the trials that two evaluations share, and checks that they are comparable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from robomtl.errors import InputError
from robomtl.evaluation.records import Record
from robomtl.evaluation.results import Results
from robomtl.evaluation.rollout import Criterion
from robomtl.experiments.paired import Tally, total
from robomtl.files.request import differences

CONDITIONS = (
    "protocol",
    "suite",
    "options",
    "split",
    "instructions",
    "until",
    "criterion",
    "horizon",
)
"""Fields of a ``Setting`` in which comparable evaluations agree."""

_MACHINE = ("versions", "processor")  # Fields that may differ; differences are shown.


class _Key(NamedTuple):
    """Key of a trial, without the suite it was played in."""

    task: str
    variation: int
    repeat: int


class Pair(NamedTuple):
    """A trial that both played."""

    a: Record
    b: Record
    solved_a: bool | None
    """Whether A solved the trial by its criterion; None after an error."""
    solved_b: bool | None
    """Whether B solved the trial by its criterion; None after an error."""


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """The paired trials of two evaluations, A and B."""

    pairs: tuple[Pair, ...]
    """Trials that both played, in the order of A, including those that ended in an
    error."""
    tallies: Mapping[str, Tally]
    """Tallies by task, in the order of A; tasks without a pair are left out."""
    left_out: tuple[str, ...]
    """Tasks of A or B without a pair."""
    errors: int
    """Trials that both played and in which A or B had an error; the tallies exclude
    them."""
    only_a: int
    """Number of trials that only A played."""
    only_b: int
    """Number of trials that only B played."""
    differing: tuple[str, ...]
    """Phrases on conditions, versions and processors that differ."""


def pair(a: Results, b: Results, *, across: bool = False) -> Pairing:
    """The trials of A and B that have the same task, variation and repeat.

    Args:
        a: First evaluation.
        b: Second evaluation.
        across: Whether their conditions may differ.

    Raises:
        ValueError: If conditions differ, naming them, unless ``across``; if there is no
            common trial; or if all common trials ended in errors.
    """
    two = {"A": a, "B": b}
    conditions = check_conditions(two, across=across)
    pairs = _pairs(a, b)
    _check_common(a, b, len(pairs))
    tallies = _tallies(pairs)
    if not tallies:
        raise InputError(
            f"Each of the {len(pairs)} trials that A and B have in common ended in an"
            " error in one of them; nothing can be compared."
        )
    tasks = dict.fromkeys([*a.tasks, *b.tasks])
    return Pairing(
        pairs=tuple(pairs),
        tallies=tallies,
        left_out=tuple(task for task in tasks if task not in tallies),
        errors=len(pairs) - total(list(tallies.values())).pairs,
        only_a=len(a.records) - len(pairs),
        only_b=len(b.records) - len(pairs),
        differing=(*conditions, *_differing(two, _MACHINE)),
    )


def tallies_of(a: Results, b: Results) -> dict[str, Tally]:
    """Tallies by task of the trials that A and B both played without an error.

    The conditions may differ; tasks without a pair are left out.
    """
    return _tallies(_pairs(a, b))


def pair_of(
    a: Record, b: Record, criterion_a: Criterion, criterion_b: Criterion
) -> Pair:
    """A trial that both played, each judged by the criterion of its evaluation."""
    return Pair(a, b, a.solved(criterion_a), b.solved(criterion_b))


def check_conditions(
    evaluations: Mapping[str, Results], *, across: bool = False
) -> tuple[str, ...]:
    """Phrases on the conditions in which evaluations differ from the first.

    Args:
        evaluations: Evaluations by their names in messages.
        across: Whether conditions may differ.

    Raises:
        ValueError: If conditions differ, naming them, unless ``across``.
    """
    first, *others = evaluations
    phrases: list[str] = []
    for name in others:
        two = {first: evaluations[first], name: evaluations[name]}
        phrases += (
            _differing(two, CONDITIONS)
            or _differing_suites(two)
            or _differing_instructions(two)
        )
    if phrases and not across:
        raise InputError(
            f"These are evaluations under different conditions: {'; '.join(phrases)}."
            " Request a comparison across conditions (--across) if you intend to compare"
            " them."
        )
    return tuple(phrases)


def _pairs(a: Results, b: Results) -> list[Pair]:
    """Trials that both played, in the order of A."""
    rows_a, rows_b = _by_trial(a), _by_trial(b)
    criteria = a.setting.criterion, b.setting.criterion
    return [
        pair_of(row, rows_b[key], *criteria)
        for key, row in rows_a.items()
        if key in rows_b
    ]


def _differing(two: Mapping[str, Results], fields: Sequence[str]) -> tuple[str, ...]:
    a, b = two
    of_a, of_b = (
        {field: getattr(results.setting, field) for field in fields}
        for results in two.values()
    )
    sides = f"in {a}", f"in {b}"
    return tuple(each.phrase(sides) for each in differences(of_a, of_b))


def _differing_suites(two: Mapping[str, Results]) -> tuple[str, ...]:
    """Phrases on differing definitions of the suite, where both evaluations have one.

    Experts may differ, since they do not act in the trials of a policy.
    """
    a, b = two
    of_a, of_b = (dict(each.setting.definition or {}) for each in two.values())
    if not of_a or not of_b:
        return ()
    for definition in (of_a, of_b):
        definition.pop("experts", None)
    sides = f"in {a}", f"in {b}"
    differing = differences(of_a, of_b, name="definition")
    return tuple(each.phrase(sides) for each in differing)


def _differing_instructions(two: Mapping[str, Results]) -> tuple[str, ...]:
    """A phrase if wordings differ in common trials, as they may if read from a file."""
    a, b = (_by_trial(results) for results in two.values())
    common = [key for key in a if key in b]
    other = sum(a[key].instruction != b[key].instruction for key in common)
    if not other:
        return ()
    sides = " and ".join(two)
    return (f"{sides} had other instructions in {other} of {len(common)} trials",)


def _by_trial(results: Results) -> dict[_Key, Record]:
    return {
        _Key(record.task, record.variation, record.repeat): record
        for record in results.records
    }


def _check_common(a: Results, b: Results, common: int) -> None:
    if common:
        return
    shared = [task for task in a.tasks if task in b.tasks]
    tasks = f"share {len(shared)} tasks" if shared else "share no task"
    raise InputError(
        f"A and B have no trial in common: they {tasks}, and are of the splits"
        f" '{a.setting.split}' and '{b.setting.split}'. Evaluate both on the same trials."
    )


def _tallies(pairs: Sequence[Pair]) -> dict[str, Tally]:
    """Tallies by task, without the trials in which A or B had an error."""
    counts: dict[str, list[int]] = {}
    for each in pairs:
        if each.a.error is not None or each.b.error is not None:
            continue
        kind = 2 * (not each.solved_a) + (not each.solved_b)
        counts.setdefault(each.a.task, [0, 0, 0, 0])[kind] += 1
    return {task: Tally(*of_task) for task, of_task in counts.items()}
