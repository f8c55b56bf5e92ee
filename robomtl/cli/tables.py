"""Tables on the terminal."""

from rich.table import Table

from robomtl.experiments.brief import tables_of
from robomtl.experiments.report import Report
from robomtl.terminal import Terminal


def show(table: Table) -> None:
    """Prints a table; what users named is shown as it is."""
    Terminal().print(table)


def show_report(report: Report) -> None:
    """Prints the tables of a report that the terminal shows."""
    for table in tables_of(report):
        show(table)
