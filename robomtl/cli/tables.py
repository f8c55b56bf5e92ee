"""Tables on the terminal."""

from rich.table import Table

from robomtl.terminal import Terminal


def show(table: Table) -> None:
    """Prints a table; what users named is shown as it is."""
    Terminal().print(table)
