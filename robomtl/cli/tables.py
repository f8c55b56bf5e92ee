"""Tables on the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show(table: Table) -> None:
    """Prints a table; what users named in its title and caption is shown as it is."""
    for part in ("title", "caption"):
        text = getattr(table, part)
        if isinstance(text, str):
            setattr(table, part, escape(text))
    Console().print(table)
