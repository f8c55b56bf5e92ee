"""Data of tables with a named row of texts each; on a phone, rows become blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from robomtl.pages.lines import Style

_WIDE = 8  # With more columns, rows become blocks on a desktop, too.


class Entry(NamedTuple):
    """An entry of a table."""

    text: str
    note: str = ""
    """Small text below the first."""
    warning: str = ""
    """Small text below, in the colour of warnings."""
    columns: int = 1
    """Number of columns that the entry spans."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of a table."""

    name: str
    entries: Sequence[Entry]
    style: Style | None = None
    """Style of the mark before the name; None for no mark."""
    note: str = ""
    """Text beside the name."""


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """A table with named rows."""

    columns: Sequence[str]
    """Heads of the columns."""
    lines: Sequence[Line]
    head: str = "method"
    """Head of the column of names."""

    @property
    def wide(self) -> bool:
        """Whether the table has too many columns for a window."""
        return len(self.columns) > _WIDE


def matrix_of(
    head: str, columns: Sequence[str], rows: Mapping[str, Sequence[Entry]]
) -> Matrix:
    """A table whose rows have a name and no mark.

    Args:
        head: Head of the column of names.
        columns: Heads of the other columns.
        rows: Entries of each row by its name, one for each column.
    """
    lines = [Line(name=name, entries=entries) for name, entries in rows.items()]
    return Matrix(head=head, columns=columns, lines=lines)
