"""Grids of outcomes: a row a task, a cell a trial."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

DENSE = 120
"""Cells from which on a row has smaller ones."""
FEATURED = 4
"""Most videos of a page that it shows at once; more are shown on a click."""


class Clip(NamedTuple):
    """A video."""

    link: str
    """Its address, seen from the page."""
    data: str | None
    """The file in base64; None if the page only links it."""


class Featured(NamedTuple):
    """A video that a page shows at once."""

    number: int
    """Place of its clip among all of the page."""
    link: str
    task: str
    outcome: str
    """How the trial went, in words."""


class Kind(NamedTuple):
    """What cells may look like."""

    key: str
    """Class in the style sheet."""
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A trial."""

    kind: str
    """Key of its kind."""
    outcome: str
    """How it went, in words."""
    details: Mapping[str, str]
    """What else is known of it, by name; the empty are not shown."""
    clip: Clip | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """The trials of a task."""

    name: str
    note: str
    """Beside the cells, as ``45/50``."""
    cells: Sequence[Cell]


@dataclass(frozen=True, kw_only=True)
class Block:
    """Rows under a title, which may be empty."""

    title: str
    rows: Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Everything the template draws."""

    kinds: Sequence[Kind]
    blocks: Sequence[Block]

    @property
    def rows(self) -> list[Row]:
        """Those of all blocks, in the order they are shown."""
        return [row for block in self.blocks for row in block.rows]

    @property
    def legend(self) -> list[tuple[Kind, int]]:
        """The kinds there are, and how many cells each."""
        keys = [cell.kind for row in self.rows for cell in row.cells]
        return [(kind, keys.count(kind.key)) for kind in self.kinds if kind.key in keys]

    @property
    def dense(self) -> bool:
        """Whether cells have to be small."""
        return any(len(row.cells) >= DENSE for row in self.rows)

    @property
    def clips(self) -> list[Clip]:
        """All videos, in the order they are shown."""
        return [cell.clip for row in self.rows for cell in row.cells if cell.clip]

    @property
    def featured(self) -> list[Featured]:
        """The videos to show at once: all, where they are few."""
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
        """The data of the page's script: of each row its name and columns of texts.

        A column has a name, its distinct texts, and for each cell the place of its
        text among them: fifty trials with the same wording hold it once. ``clips`` are
        the places in ``clips`` above, by that of the cell.
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
                    place: [next(numbers), cell.clip.link]
                    for place, cell in enumerate(row.cells)
                    if cell.clip
                },
            }
            for row in self.rows
        ]


def _column(texts: Sequence[Hashable]) -> list[list[Any]]:
    places: dict[Hashable, int] = {}
    indices = [places.setdefault(text, len(places)) for text in texts]
    return [list(places), indices]
