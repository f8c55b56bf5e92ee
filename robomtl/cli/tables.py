"""Printing of tables and reports on the terminal."""

from pathlib import Path

from rich.table import Table

from robomtl.evaluation.results import RESULTS
from robomtl.experiments.report import Report
from robomtl.experiments.running import REPORT
from robomtl.experiments.terminal_report import tables_of
from robomtl.terminal import Terminal


def show(table: Table) -> None:
    """Prints a table, with names that users chose shown literally."""
    Terminal().print(table)


def show_report(report: Report) -> None:
    """Prints the tables of a report that the terminal shows."""
    for table in tables_of(report, width=Terminal().width):
        show(table)


def show_experiment(report: Report, folder: Path) -> None:
    """Prints the tables of an experiment's report, and the paths of results and page."""
    show_report(report)
    print(f"Results: {folder / RESULTS}")
    print(f"Report: {folder / REPORT}")
