"""``robomtl list``: suites, policies and recipes, a line each."""

from collections.abc import Sequence
from dataclasses import dataclass

import tyro
from rich.console import Console
from rich.table import Table

from robomtl.recipes import RECIPES
from robomtl.registry import POLICIES, SUITES


@dataclass(frozen=True, kw_only=True)
class List:
    """Shows what can be named on the command line."""


def main(arguments: Sequence[str]) -> None:
    """Prints three tables."""
    tyro.cli(List, args=arguments, prog="robomtl list")
    _show("suites", [line for name in SUITES.names() for line in _variants(name)])
    _show("policies", [(name, _line(POLICIES.get(name))) for name in POLICIES.names()])
    _show("recipes", [(name, recipe.line) for name, recipe in RECIPES.items()])


def _variants(name: str) -> list[tuple[str, str]]:
    factory = SUITES.get(name)
    variants = getattr(factory, "variants", {"": _line(factory)})
    return [(f"{name}/{each}".rstrip("/"), line) for each, line in variants.items()]


def _line(documented: object) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]


def _show(title: str, rows: Sequence[tuple[str, str]]) -> None:
    table = Table(title=title, title_justify="left", box=None, show_header=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
