"""Tables of texts: a row a name, which becomes a block on a phone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from robomtl.pages.lines import Style

_WIDE = 8  # Columns from which on rows are blocks on a desktop, too.


class Entry(NamedTuple):
    """A field of a table."""

    text: str
    note: str = ""
    """Small, below the text."""
    warning: str = ""
    """What is wrong with it."""
    columns: int = 1
    """How many it holds for."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row."""

    name: str
    entries: Sequence[Entry]
    style: Style | None = None
    """Of the mark before the name; None for no mark."""
    note: str = ""
    """Beside the name."""


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Everything the template shows."""

    columns: Sequence[str]
    lines: Sequence[Line]
    head: str = "method"
    """What the names are of."""

    @property
    def wide(self) -> bool:
        """Whether it has too many columns for a window."""
        return len(self.columns) > _WIDE


def matrix_of(
    head: str, columns: Sequence[str], rows: Mapping[str, Sequence[Entry]]
) -> Matrix:
    """A table whose rows have a name and no mark.

    Args:
        head: What the names are of.
        columns: Heads of the columns.
        rows: Fields of each row by its name, as many as there are columns.
    """
    lines = [Line(name=name, entries=entries) for name, entries in rows.items()]
    return Matrix(head=head, columns=columns, lines=lines)
