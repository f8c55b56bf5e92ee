"""The report of an experiment in brief, as tables for the terminal."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable
from rich.text import Text as RichText

from robomtl.experiments.report import (
    Bars,
    Config,
    Figures,
    Report,
    Section,
    Table,
    Text,
)
from robomtl.pages.matrix import Entry


def tables_of(report: Report) -> Iterator[RichTable]:
    """The tables of the sections that the terminal shows, with what they say in words."""
    sections = [section for section in report.sections if section and section.brief]
    words = [report.lead, *_sentences(sections)]
    of = "A {}, B {}".format(*report.sides) if report.sides else report.title
    shown = [
        (section, part)
        for section in sections
        for part in section.parts
        if isinstance(part, Table | Bars | Figures)
    ]
    for number, (section, part) in enumerate(shown, start=1):
        title = getattr(part, "title", "") or section.title
        made = RichTable(
            title=f"{of}: {title}" if title else of,
            caption="\n".join(words) if number == len(shown) else None,
            title_justify="left",
            caption_justify="left",
            box=SIMPLE_HEAD,
            pad_edge=False,
            collapse_padding=True,
        )
        _fill(made, part)
        yield made


def _sentences(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        for part in section.parts:
            if isinstance(part, Text) and part.tone != "soft":
                yield f"{part.lead}{part.text}"
            elif isinstance(part, Config):
                yield from (f"{name}: {value}" for name, value in part.pairs)


def _fill(made: RichTable, part: Table | Bars | Figures) -> None:
    if isinstance(part, Figures):
        _add_columns(made, "", ["", ""])
        for figure in part.figures:
            made.add_row(figure.title, figure.text, figure.note)
        return
    if isinstance(part, Bars):
        _add_columns(made, part.head, [column.head for column in part.columns])
        for row in part.rows:
            texts = (text if isinstance(text, str) else text[0] for text in row.texts)
            badge = f" ({row.badge})" if row.badge else ""
            made.add_row(f"{row.name or row.condition}{badge}", *texts)
        return
    matrix = part.matrix
    assert matrix is not None  # Empty tables are in no section.
    _add_columns(made, matrix.head, matrix.columns)
    for line in matrix.lines:
        cells = [cell for entry in line.entries for cell in _cells(entry)]
        made.add_row(line.name, *cells)


def _add_columns(made: RichTable, head: str, columns: Sequence[str]) -> None:
    made.add_column(head, overflow="fold")
    for column in columns:
        made.add_column(column, justify="right", no_wrap=True)


def _cells(entry: Entry) -> list[str | RichText]:
    """The field, then as many empty ones as it holds for besides."""
    lines = [line for line in (entry.text, entry.note) if line]
    shown = RichText("\n".join(lines))
    if entry.warning:
        shown.append(f"\n{entry.warning}", style="red")
    return [shown, *[""] * (entry.columns - 1)]
