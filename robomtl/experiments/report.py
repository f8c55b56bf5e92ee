"""The report of an experiment: sections, shown on a page and in the terminal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from markupsafe import Markup

from robomtl.evaluation.panels import Panels as StepPanels
from robomtl.evaluation.statistics import Interval
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
    """Emphasised words before the text."""
    tone: Literal["", "strong", "small", "soft", "warn"] = ""
    """Look of the paragraph; ``warn`` is small, with its lead in the colour of warnings."""
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
    """Draws the picture when the page is rendered; the terminal shows none."""


class Bar(NamedTuple):
    """A rate, or a difference of rates, as a bar with its interval."""

    name: str
    value: float | None
    interval: Interval | None
    texts: Sequence[str | tuple[str, str]]
    """Texts of the other columns; a pair is a text and a smaller one below it."""
    badge: str = ""
    """Badge beside the name."""
    mark: bool = False
    """Whether the badge marks a finding rather than a warning."""
    second: bool = False
    """Whether the bar has the second colour."""
    style: Style | None = None
    """Style of the mark before the name."""
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
    """Reach of the axis of differences; None for rates."""
    condition: str = ""
    """Head of the column of conditions; empty for none."""
    forest: bool = False
    """Whether the first row stands out from the others."""
    title: str = ""


class Figure(NamedTuple):
    """A highlighted number."""

    title: str
    text: str
    note: str = ""
    tone: Literal["", "main", "second", "behind", "warn"] = ""
    """Look of the figure; ``behind`` is a main figure below zero, ``warn`` has a warning
    as its note."""


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
    """Title and pairs of each list, by its name in the page."""


@dataclass(frozen=True)
class Config:
    """Names and values."""

    kind: ClassVar[str] = "config_of"
    pairs: Pairs


@dataclass(frozen=True)
class Reasons:
    """Reasons of missing outcomes."""

    kind: ClassVar[str] = "reasons"
    rows: Sequence[tuple[str, str, int]]
    """Label, reason and count of each."""
    noun: str
    """Singular noun of the counts."""


@dataclass(frozen=True)
class Trials:
    """A cell for each trial."""

    kind: ClassVar[str] = "trials_of"
    grid: Grid


@dataclass(frozen=True)
class Videos:
    """Videos that the page shows without a click."""

    kind: ClassVar[str] = "videos_of"
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
    | Videos
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
    """Text beside the title."""
    mean: str = ""
    """Text at the end of the title's line."""
    alert: bool = False
    """Whether the section is a warning."""
    brief: bool = False
    """Whether the terminal shows the section."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The report of an evaluation, a comparison or an experiment."""

    title: str
    lead: str
    """Description below the title."""
    sections: Sequence[Section | None]
    """Sections; None where there is nothing to show."""
    footer: Sequence[str]
    """Paragraphs of the footer."""
    head: str = ""
    """Heading of the page in place of the title."""
    sides: tuple[str, str] | None = None
    """Names of A and B in a comparison, in place of the title."""
