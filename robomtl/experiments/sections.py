"""Sections of reports that several experiments share."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from robomtl.evaluation.formatting import change, counted, duration, points
from robomtl.evaluation.statistics import Interval
from robomtl.experiments.report import (
    Bars,
    Config,
    Curve,
    Facts,
    Figure,
    Figures,
    Folded,
    Pairs,
    Panels,
    Part,
    Reasons,
    Section,
    Table,
    Text,
    Trials,
)
from robomtl.pages.flat import flat

NAUC = (
    "nAUC is the area under success against the logarithm of the demonstrations: the mean"
    " height of the line."
)
"""Definition of nAUC, for a footer."""


def section(
    id: str, title: str, note: str, *parts: Part, brief: bool = False
) -> Section | None:
    """A section of parts without the empty ones; None if nothing but texts is left.

    Args:
        id: Id of the section in the page.
        title: Title of the section.
        note: Text beside the title.
        *parts: Tables, charts and texts, some of which may be empty.
        brief: Whether the terminal shows the section.
    """
    shown = [part for part in parts if not _empty(part)]
    if all(isinstance(part, Text) for part in shown):
        return None
    return Section(id=id, title=title, note=note, parts=shown, brief=brief)


def _empty(part: Part) -> bool:
    match part:
        case Table():
            return part.matrix is None or not part.matrix.lines
        case Curve():
            return part.chart is None
        case Panels():
            return not part.charts
        case Bars():
            return not part.rows
        case Trials():
            return not part.grid.rows
        case Config():
            return not part.pairs
    return False


def settings(values: Mapping[str, Any], *, leave: Sequence[str] = ()) -> Pairs:
    """Plain data as capitalised names and texts, without the fields in ``leave``."""
    return [
        (name.capitalize().replace("_", " "), text(value))
        for name, value in flat(values)
        if name.partition(".")[0] not in leave
    ]


def run_facts(first: Mapping[str, Any], provenance: Mapping[str, Any]) -> Pairs:
    """Facts about the run of an experiment, as names and texts; see ``Journal.provenance``.

    Args:
        first: Further facts to show first, by name.
        provenance: Facts about the run, as in ``results.json``.
    """
    shown = {**first, **{name: provenance[name] for name in ("processor", "workers")}}
    return [
        *((name.capitalize(), text(value)) for name, value in shown.items()),
        ("Time", duration(provenance["seconds"])),
        *flat(provenance["options"]),
        *flat(provenance["versions"]),
        ("robomtl commit", text(provenance["commit"])),
    ]


def config(values: Mapping[str, Any]) -> Pairs:
    """Plain data as names and texts."""
    return [(name, text(value)) for name, value in flat(values)]


def text(value: object) -> str:
    """The text of a value; a dash for None and for empty texts."""
    return "–" if value in (None, "", "None") else str(value)


def most_frequent(
    reasons: Mapping[str, Mapping[str, int]],
) -> list[tuple[str, str, int]]:
    """Label, reason and number of cells, the most frequent reasons first."""
    every = [
        (label, reason, number)
        for label, some in reasons.items()
        for reason, number in some.items()
    ]
    return sorted(every, key=lambda each: -each[2])


def reasons_section(
    reasons: Mapping[str, Mapping[str, int]], noun: str, what: str
) -> Section | None:
    """Section of the reasons of missing outcomes, by label; None without a reason."""
    return failures(most_frequent(reasons), noun, what)


def failures(
    rows: Sequence[tuple[str, str, int]], noun: str, what: str
) -> Section | None:
    """Section of the reasons of missing outcomes; None without a reason.

    Args:
        rows: Label, reason and count of each.
        noun: Singular noun of the counts.
        what: End of the title after the count, such as ``diverged``.
    """
    if not rows:
        return None
    number = counted(sum(row[2] for row in rows), noun)
    parts = [Reasons(rows, noun)]
    return Section(id="reasons", title=f"{number} {what}", parts=parts, alert=True)


def facts(title: str, requested: Pairs, run: Pairs) -> Section:
    """Section of the settings of an experiment and of facts about its run.

    Args:
        title: Title of the settings.
        requested: Settings of the experiment.
        run: Facts about the run; see ``run_facts``.
    """
    lists = {"settings": (title, requested), "made": ("Run", run)}
    return Section(id="facts", parts=[Facts(lists)])


def folded(id: str, summary: str, values: Mapping[str, Any]) -> Section:
    """Section of plain data that opens on a click."""
    return Section(id=id, parts=[Folded(summary, [Config(config(values))])])


def folds(parts: Mapping[str, Part]) -> list[Folded]:
    """Parts that open on a click, named by their summaries; the first one is open."""
    return [
        Folded(summary, [part], open=number == 0)
        for number, (summary, part) in enumerate(parts.items())
    ]


def figures(*shown: Figure, brief: bool = False) -> Section:
    """Section of the most important numbers; the terminal shows it if ``brief``."""
    return Section(id="figures", parts=[Figures(shown)], brief=brief)


def answers(id: str, sentences: Iterable[Text]) -> Section | None:
    """Section of conclusions, which the terminal shows too; None without a sentence."""
    parts = [*sentences]
    return Section(id=id, parts=parts, brief=True) if parts else None


def warnings(sentences: Iterable[str]) -> Section | None:
    """Section of warnings, which the terminal shows too; None without a sentence."""
    parts = [Text(sentence, tone="small") for sentence in sentences]
    if not parts:
        return None
    return Section(id="warnings", parts=parts, alert=True, brief=True)


def lead(
    title: str, difference: float, interval: Interval, confidence: float = 0.95
) -> Figure:
    """The main figure of a comparison: a difference of rates with its interval."""
    note = f"{100 * confidence:.4g}% interval {change(interval)}, in percentage points"
    return Figure(
        title, points(difference), note, "behind" if difference < 0 else "main"
    )


def counts(title: str, number: int, errors: int) -> Figure:
    """The figure of a number of trials and their errors."""
    tone: Literal["", "warn"] = "warn" if errors else ""
    return Figure(title, f"{number:,}", counted(errors, "error"), tone)


def footer(played: str, *, confidence: float, over: str, alone: str = "") -> str:
    """Footer on how policies were compared and on what the intervals cover.

    Args:
        played: Common conditions of the policies, as a sentence without its full stop.
        confidence: Confidence of the intervals.
        over: Variation that they cover beside trials, such as ``other seeds of training``.
        alone: ``1 seed`` or similar where there is one only; else empty.
    """
    note = f" With {alone} they hold for these policies only." if alone else ""
    return (
        f"A trial succeeds if the task is solved at any step. {played}; tasks have equal"
        f" weight. Intervals ({100 * confidence:.4g}%) cover {over} and trials of the same"
        f" tasks; they use t quantiles, so that few repetitions make them wide.{note}"
    )
