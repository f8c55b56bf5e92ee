"""The brief version of a report: tables for the terminal."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
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

_GAP = 2  # Characters between two columns.
_EDGE = 2  # Characters at both ends of a line together.


class _Grid(NamedTuple):
    """Named rows of cells under the heads of their columns."""

    head: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str | RichText]]]
    wraps: bool = False
    """Whether cells are sentences, which may wrap over several lines."""

    def within(self, width: int | None) -> Iterator["_Grid"]:
        """The columns split into grids that fit the width, each with the row names.

        Args:
            width: Characters in a line; None for no limit.
        """
        names = max(map(cell_len, (self.head, *(name for name, _ in self.rows))))
        begin, taken = 0, names
        for column, head in enumerate(self.columns):
            texts = [head, *(str(cells[column]) for _, cells in self.rows)]
            needed = _GAP + max(
                cell_len(row) for text in texts for row in text.split("\n")
            )
            wide = width is not None and not self.wraps and taken + needed > width
            if wide and column > begin:
                yield self._part(begin, column)
                begin, taken = column, names
            taken += needed
        yield self._part(begin, len(self.columns))

    def _part(self, begin: int, end: int) -> "_Grid":
        rows = [(name, cells[begin:end]) for name, cells in self.rows]
        return self._replace(columns=self.columns[begin:end], rows=rows)


def tables_of(report: Report, *, width: int | None = None) -> Iterator[RichTable]:
    """Tables of the sections marked ``brief``; the last is captioned with their texts.

    Args:
        report: Report of an experiment.
        width: Characters in a line; None for no limit. A wider table is split into
            several, each with the names of the rows.
    """
    sections = [section for section in report.sections if section and section.brief]
    words = [report.lead, *_sentences(sections)]
    of = "A {}, B {}".format(*report.sides) if report.sides else report.title
    grids = [
        (getattr(part, "title", "") or section.title, grid)
        for section in sections
        for part in section.parts
        if isinstance(part, Table | Bars | Figures)
        for grid in _grid(part).within(width and width - _EDGE)
    ]
    for number, (title, grid) in enumerate(grids, start=1):
        made = RichTable(
            title=f"{of}: {title}" if title else of,
            caption="\n".join(words) if number == len(grids) else None,
            title_justify="left",
            caption_justify="left",
            box=SIMPLE_HEAD,
            pad_edge=False,
            collapse_padding=True,
        )
        made.add_column(grid.head, overflow="fold")
        for column in grid.columns:
            made.add_column(column, justify="right", no_wrap=not grid.wraps)
        for name, cells in grid.rows:
            made.add_row(name, *cells)
        yield made


def _sentences(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        for part in section.parts:
            if isinstance(part, Text) and part.tone != "soft":
                yield f"{part.lead}{part.text}"
            elif isinstance(part, Config):
                yield from (f"{name}: {value}" for name, value in part.pairs)


def _grid(part: Table | Bars | Figures) -> _Grid:
    if isinstance(part, Figures):
        lines = [(figure.title, [figure.text, figure.note]) for figure in part.figures]
        return _Grid("", ["", ""], lines, wraps=True)
    if isinstance(part, Bars):
        rows = [
            (
                (row.name or row.condition) + (f" ({row.badge})" if row.badge else ""),
                [text if isinstance(text, str) else text[0] for text in row.texts],
            )
            for row in part.rows
        ]
        return _Grid(part.head, [column.head for column in part.columns], rows)
    matrix = part.matrix
    assert matrix is not None  # Sections leave empty tables out.
    return _Grid(
        matrix.head,
        matrix.columns,
        [
            (line.name, [cell for entry in line.entries for cell in _cells(entry)])
            for line in matrix.lines
        ],
    )


def _cells(entry: Entry) -> list[str | RichText]:
    """The text of an entry, then an empty cell for each further column that it spans."""
    lines = [line for line in (entry.text, entry.note) if line]
    shown = RichText("\n".join(lines))
    if entry.warning:
        shown.append(f"\n{entry.warning}", style="red")
    return [shown, *[""] * (entry.columns - 1)]
