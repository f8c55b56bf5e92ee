"""The report of an experiment: sections, shown on a page and in the terminal."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from markupsafe import Markup

from robomtl.evaluation.figures import change, counted, duration, points
from robomtl.evaluation.panels import Panels as StepPanels
from robomtl.evaluation.statistics import Interval
from robomtl.pages.flat import flat
from robomtl.pages.lines import Chart, Style
from robomtl.pages.matrix import Matrix
from robomtl.pages.trial_cells import Grid

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str
    lead: str = ""
    """Emphasised, before the text."""
    tone: Literal["", "strong", "small", "soft", "warn"] = ""
    """``warn`` is small, with a lead that warns."""
    id: str = ""


@dataclass(frozen=True)
class Table:
    """Numbers by row and column."""

    kind: ClassVar[str] = "table"
    matrix: Matrix | None
    title: str = ""


@dataclass(frozen=True)
class Curve:
    """A chart of lines."""

    kind: ClassVar[str] = "curve"
    chart: Chart | None
    note: str = ""


@dataclass(frozen=True)
class Panels:
    """Charts of lines on the same axes."""

    kind: ClassVar[str] = "panels_of"
    charts: Sequence[Chart]


@dataclass(frozen=True)
class Picture:
    """A drawing as SVG."""

    kind: ClassVar[str] = "picture"
    look: Literal["affinity", "plot tall"]
    """Class in the style sheet."""
    draw: Callable[[], Markup]
    """Draws it: the terminal, which shows none, waits for no drawing."""


class Bar(NamedTuple):
    """A rate, or a difference of rates, as a bar with its interval."""

    name: str
    value: float | None
    interval: Interval | None
    texts: Sequence[str | tuple[str, str]]
    """Of the other columns; a text and a small one below it."""
    badge: str = ""
    """Beside the name."""
    mark: bool = False
    """Whether the badge says that something holds rather than what is wrong."""
    second: bool = False
    """Whether it is of the second colour."""
    style: Style | None = None
    """Of the mark before the name."""
    condition: str = ""


class Column(NamedTuple):
    """A column beside the bars."""

    key: str
    """Class in the style sheet."""
    head: str


@dataclass(frozen=True)
class Bars:
    """Rates, or differences, as bars."""

    kind: ClassVar[str] = "bars"
    head: str
    columns: Sequence[Column]
    rows: Sequence[Bar]
    reach: float | None = None
    """Of the axis of differences; None for rates."""
    condition: str = ""
    """Head of the column of conditions; empty for none."""
    forest: bool = False
    """Whether the first row stands out from the others."""
    title: str = ""


class Figure(NamedTuple):
    """A number that stands out."""

    title: str
    text: str
    note: str = ""
    tone: Literal["", "main", "second", "behind", "warn"] = ""
    """``behind`` is a main figure below zero; ``warn`` warns in its note."""


@dataclass(frozen=True)
class Figures:
    """The most important numbers, in a separate section."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Facts:
    """Names and values, in lists with titles."""

    kind: ClassVar[str] = "facts_of"
    lists: Mapping[str, tuple[str, Pairs]]
    """By the name of each in the page: title, and pairs."""


@dataclass(frozen=True)
class Config:
    """Names and values."""

    kind: ClassVar[str] = "config_of"
    pairs: Pairs


@dataclass(frozen=True)
class Reasons:
    """Why there is no outcome: of which, why, and how many."""

    kind: ClassVar[str] = "reasons"
    rows: Sequence[tuple[str, str, int]]
    noun: str


@dataclass(frozen=True)
class Trials:
    """A cell for each trial."""

    kind: ClassVar[str] = "trials_of"
    grid: Grid


@dataclass(frozen=True)
class Films:
    """Videos that are shown at once."""

    kind: ClassVar[str] = "films_of"
    grid: Grid


@dataclass(frozen=True)
class Steps:
    """The fraction of trials solved by each step."""

    kind: ClassVar[str] = "steps_of"
    panels: StepPanels


@dataclass(frozen=True)
class Folded:
    """Parts that open on a click."""

    kind: ClassVar[str] = "folded"
    summary: str
    parts: Sequence["Part"]
    open: bool = False


Part = (
    Text
    | Table
    | Curve
    | Panels
    | Picture
    | Bars
    | Figures
    | Facts
    | Config
    | Reasons
    | Trials
    | Films
    | Steps
    | Folded
)


@dataclass(frozen=True, kw_only=True)
class Section:
    """Parts under a title."""

    id: str
    parts: Sequence[Part]
    title: str = ""
    note: str = ""
    """Beside the title."""
    mean: str = ""
    """At the end of the line of the title."""
    alert: bool = False
    """Whether something is wrong."""
    brief: bool = False
    """Whether the terminal shows it."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that is shown."""

    title: str
    lead: str
    """What was done, below the title."""
    sections: Sequence[Section | None]
    """None where there is nothing to show."""
    footer: Sequence[str]
    """Paragraphs."""
    head: str = ""
    """In place of the title, on the page."""
    sides: tuple[str, str] | None = None
    """A and B, where two are compared; in place of the title."""


def section(
    id: str, title: str, note: str, *parts: Part, brief: bool = False
) -> Section | None:
    """Parts under a title; those without a number are left out, and None is of such only.

    Args:
        id: Its name in the page.
        title: Of the section.
        note: Beside the title.
        *parts: Of which some may be empty.
        brief: Whether the terminal shows it.
    """
    there = [part for part in parts if not _empty(part)]
    if all(isinstance(part, Text) for part in there):
        return None
    return Section(id=id, title=title, note=note, parts=there, brief=brief)


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
    """Plain data as names and texts, but for some fields."""
    return [
        (name.capitalize().replace("_", " "), text(value))
        for name, value in flat(values)
        if name.partition(".")[0] not in leave
    ]


def run_facts(first: Mapping[str, Any], made: Mapping[str, Any]) -> Pairs:
    """How an experiment was made; see ``Journal.made``.

    Args:
        first: What else there is to be shown, by name.
        made: As ``results.json`` has it.
    """
    shown = {**first, **{name: made[name] for name in ("processor", "workers")}}
    return [
        *((name.capitalize(), text(value)) for name, value in shown.items()),
        ("Time", duration(made["seconds"])),
        *flat(made["options"]),
        *flat(made["versions"]),
        ("robomtl commit", text(made["commit"])),
    ]


def config(values: Mapping[str, Any]) -> Pairs:
    """Plain data as names and texts."""
    return [(name, text(value)) for name, value in flat(values)]


def text(value: object) -> str:
    """A value; a dash for nothing."""
    return "–" if value in (None, "", "None") else str(value)


def most_frequent(
    reasons: Mapping[str, Mapping[str, int]],
) -> list[tuple[str, str, int]]:
    """Of which, why, and how many: the most frequent first."""
    every = [
        (label, reason, number)
        for label, some in reasons.items()
        for reason, number in some.items()
    ]
    return sorted(every, key=lambda each: -each[2])


def reasons_section(
    reasons: Mapping[str, Mapping[str, int]], noun: str, what: str
) -> Section | None:
    """Why there is no outcome, by label; None if all have one."""
    rows = most_frequent(reasons)
    number = counted(sum(row[2] for row in rows), noun)
    if not rows:
        return None
    parts = [Reasons(rows, noun)]
    return Section(id="reasons", title=f"{number} {what}", parts=parts, alert=True)


def facts(title: str, requested: Pairs, run: Pairs) -> Section:
    """What was requested, and how it was made.

    Args:
        title: Of the request.
        requested: Its settings.
        run: See ``run_facts``.
    """
    lists = {"settings": (title, requested), "made": ("Run", run)}
    return Section(id="facts", parts=[Facts(lists)])


def folded(id: str, summary: str, values: Mapping[str, Any]) -> Section:
    """Plain data, in a section that opens on a click."""
    return Section(id=id, parts=[Folded(summary, [Config(config(values))])])


def folds(parts: Mapping[str, Part]) -> list[Folded]:
    """Parts by their summaries, the first of them open."""
    return [
        Folded(summary, [part], open=place == 0)
        for place, (summary, part) in enumerate(parts.items())
    ]


def figures(*shown: Figure, brief: bool = False) -> Section:
    """The most important numbers; the terminal shows them if ``brief``."""
    return Section(id="figures", parts=[Figures(shown)], brief=brief)


def warnings(sentences: Iterable[str]) -> Section | None:
    """Warnings in a box; None without a sentence."""
    parts = [Text(sentence, tone="small") for sentence in sentences]
    if not parts:
        return None
    return Section(id="warnings", parts=parts, alert=True, brief=True)


def lead(
    title: str, difference: float, interval: Interval, confidence: float = 0.95
) -> Figure:
    """The figure of a difference of rates."""
    note = f"{100 * confidence:.4g}% interval {change(interval)}, in percentage points"
    return Figure(
        title, points(difference), note, "behind" if difference < 0 else "main"
    )


def counts(title: str, number: int, errors: int) -> Figure:
    """The figure of a number of trials and their errors."""
    tone: Literal["", "warn"] = "warn" if errors else ""
    return Figure(title, f"{number:,}", counted(errors, "error"), tone)
