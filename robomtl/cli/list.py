"""``robomtl list``: lists the names that the command line accepts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import tyro
from rich.table import Table

from robomtl.action_head import HEADS
from robomtl.adaptation.method import METHODS
from robomtl.catalogue import Registry
from robomtl.continual.lifelong_method import LIFELONG
from robomtl.evaluation.protocols import PROTOCOLS
from robomtl.experiments.lifelong.streams import STREAMS
from robomtl.image_encoder import ENCODERS
from robomtl.policy import POLICIES
from robomtl.recipes import RECIPES
from robomtl.suites import SUITES, option_kinds
from robomtl.terminal import Terminal
from robomtl.training.objective import OBJECTIVES

_KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_PLURALS = {
    "policy": "policies",
    "head": "action heads (--architecture.loss)",
    "encoder": "encoders of images",
    "objective": "objectives",
    "method": "methods",
    "lifelong method": "methods of lifelong learning",
}


@dataclass(frozen=True, kw_only=True)
class List:
    """Lists suites, policies, objectives, methods, recipes and protocols."""

    suite: tyro.conf.Positional[str] = ""
    """Suite, or family of suites, whose variants and options are listed; all names by
    default."""


def main(arguments: Sequence[str]) -> None:
    """Prints a table of names for each kind."""
    flags = tyro.cli(List, args=arguments, prog="robomtl list")
    if flags.suite:
        family = flags.suite.partition("/")[0]
        _show("variants", [*_variants_of(family)])
        _show("options (--suite-options NAME=VALUE)", [*_options(flags.suite)])
        return
    _show("suites", [*_variants(), *_plugged_in(SUITES)])
    for registry in (POLICIES, HEADS, ENCODERS, OBJECTIVES, METHODS, LIFELONG):
        _show(_PLURALS[registry.kind], [*_classes(registry), *_plugged_in(registry)])
    _show("streams of tasks", [(name, it.line) for name, it in STREAMS.items()])
    _show("recipes", [(name, recipe.line) for name, recipe in RECIPES.items()])
    _show("protocols", [(name, each.line) for name, each in PROTOCOLS.items()])


def _variants() -> Iterator[tuple[str, str]]:
    for name in SUITES.built_in():
        yield from _variants_of(name)


def _variants_of(name: str) -> Iterator[tuple[str, str]]:
    factory = SUITES.get(name)
    variants = getattr(factory, "variants", {"": _line(factory)})
    for variant, line in variants.items():
        yield f"{name}/{variant}".rstrip("/"), line


def _options(suite: str) -> Iterator[tuple[str, str]]:
    """Names and types of the options of a suite."""
    for name, kind in option_kinds(suite).items():
        yield name, _values(kind)


def _values(kind: Any) -> str:
    """The allowed values of an option, in words."""
    outer, inner = get_origin(kind), get_args(kind)
    if outer is Literal:
        return " or ".join(map(str, inner))
    if outer in (Union, UnionType):
        some = [_values(each) for each in inner if each is not NoneType]
        return " or ".join(dict.fromkeys(some))
    if isinstance(outer, type) and issubclass(outer, Sequence):
        return f"{_values(inner[0])}s with commas between them"
    return _KINDS.get(kind, getattr(kind, "__name__", str(kind)))


def _classes(registry: Registry[Any]) -> Iterator[tuple[str, str]]:
    for name in registry.built_in():
        yield name, _line(registry.get(name))


def _plugged_in(registry: Registry[Any]) -> Iterator[tuple[str, str]]:
    """Names and distributions of plug-ins, without importing them, which may fail."""
    for name, owners in registry.plugged_in().items():
        if len(owners) == 1:
            yield name, f"from the distribution {owners[0]}"
        else:
            yield name, f"refused: several distributions: {' and '.join(owners)}"


def _line(documented: object) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]


def _show(title: str, rows: Sequence[tuple[str, str]]) -> None:
    table = Table(title=title, title_justify="left", box=None, show_header=False)
    for row in rows:
        table.add_row(*row)
    Terminal().print(table)
