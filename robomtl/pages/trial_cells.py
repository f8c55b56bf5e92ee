"""Data of a grid of outcomes, with a row for each task and a cell for each trial."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

DENSE = 120
"""Number of cells in a row from which on cells are drawn smaller."""
FEATURED = 4
"""Largest number of videos that a page shows without a click."""


class Clip(NamedTuple):
    """A video of a trial."""

    link: str
    """Address of the video relative to the page."""
    data: str | None
    """Content of the file in base64; None if the page only links it."""


class Featured(NamedTuple):
    """A video that a page shows without a click."""

    number: int
    """Index of its clip among all clips of the page."""
    link: str
    task: str
    outcome: str
    """Outcome of the trial in words."""


class Kind(NamedTuple):
    """A kind of cell, with its look and meaning."""

    key: str
    """Class in the style sheet."""
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The cell of a trial."""

    kind: str
    """Key of the cell's ``Kind``."""
    outcome: str
    """Outcome of the trial in words."""
    details: Mapping[str, str]
    """Further facts about the trial by name; empty ones are not shown."""
    clip: Clip | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """The trials of a task."""

    name: str
    note: str
    """Text beside the cells, such as ``45/50``."""
    cells: Sequence[Cell]


@dataclass(frozen=True, kw_only=True)
class Block:
    """Rows under a title, which may be empty."""

    title: str
    rows: Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A grid of outcomes, as the template draws it."""

    kinds: Sequence[Kind]
    blocks: Sequence[Block]

    @property
    def rows(self) -> list[Row]:
        """Rows of all blocks, in the order they are shown."""
        return [row for block in self.blocks for row in block.rows]

    @property
    def legend(self) -> list[tuple[Kind, int]]:
        """Kinds that occur, each with its number of cells."""
        keys = [cell.kind for row in self.rows for cell in row.cells]
        return [(kind, keys.count(kind.key)) for kind in self.kinds if kind.key in keys]

    @property
    def dense(self) -> bool:
        """Whether cells are drawn small."""
        return any(len(row.cells) >= DENSE for row in self.rows)

    @property
    def clips(self) -> list[Clip]:
        """All videos, in the order they are shown."""
        return [cell.clip for row in self.rows for cell in row.cells if cell.clip]

    @property
    def featured(self) -> list[Featured]:
        """Videos to show without a click: all, or none if there are too many."""
        filmed = [(row, cell) for row in self.rows for cell in row.cells if cell.clip]
        if len(filmed) > FEATURED:
            return []
        return [
            Featured(number, cell.clip.link, row.name, cell.outcome)
            for number, (row, cell) in enumerate(filmed)
            if cell.clip
        ]

    @property
    def data(self) -> list[dict[str, Any]]:
        """Data for the page's script: name, columns of texts and clips of each row.

        A column has a name, its distinct texts, and for each cell the index of its text
        among them, so that a wording shared by fifty trials is stored once. ``clips`` has
        the index in ``Grid.clips`` and the link, by index of the cell.
        """
        numbers = iter(range(len(self.clips)))
        return [
            {
                "name": row.name,
                "outcome": _column([cell.outcome for cell in row.cells]),
                "details": [
                    [name, *_column([cell.details.get(name, "") for cell in row.cells])]
                    for name in dict.fromkeys(n for c in row.cells for n in c.details)
                ],
                "clips": {
                    index: [next(numbers), cell.clip.link]
                    for index, cell in enumerate(row.cells)
                    if cell.clip
                },
            }
            for row in self.rows
        ]


def _column(texts: Sequence[Hashable]) -> list[list[Any]]:
    distinct: dict[Hashable, int] = {}
    indices = [distinct.setdefault(text, len(distinct)) for text in texts]
    return [list(distinct), indices]
