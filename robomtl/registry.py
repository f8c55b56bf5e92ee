"""Named factories of suites and policies, built in or plugged in."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from robomtl.nearest import unknown
from robomtl.task import Suite

Factory = Any  # A callable; of policies, a class with its config as ``Config``.


class Registry:
    """Maps names to factories; a factory is imported when it is first asked for.

    Args:
        kind: What the names name, for messages.
        group: Entry-point group through which other distributions add names.
        builtins: Names to ``"module:attribute"`` strings of this distribution.
    """

    def __init__(self, kind: str, group: str, builtins: dict[str, str]) -> None:
        self.kind = kind
        self.group = group
        self._builtins = {
            name: EntryPoint(name, value, group) for name, value in builtins.items()
        }
        self._factories: dict[str, Factory] = {}

    def names(self) -> list[str]:
        """All known names, sorted."""
        return sorted({*self._factories, *self._available()})

    def register(self, name: str, factory: Factory) -> None:
        """Adds a factory under a new name.

        Raises:
            ValueError: If the name is taken.
        """
        if name in self.names():
            raise ValueError(f"{self.kind} '{name}' is already registered.")
        self._factories[name] = factory

    def get(self, name: str) -> Factory:
        """The factory registered under a name.

        Raises:
            ValueError: If no factory has this name.
        """
        if name not in self._factories:
            self._factories[name] = self._find(name).load()
        return self._factories[name]

    def _available(self) -> dict[str, EntryPoint]:
        plugins = {entry.name: entry for entry in entry_points(group=self.group)}
        return {**plugins, **self._builtins}

    def _find(self, name: str) -> EntryPoint:
        available = self._available()
        if name not in available:
            raise ValueError(unknown(self.kind, name, self.names()))
        return available[name]


SUITES = Registry(
    "suite",
    "robomtl.envs",
    {
        "metaworld": "robomtl.envs.metaworld:metaworld",
        "points": "robomtl.envs.points:points",
    },
)
"""Families of suites: callables ``(variant, **options) -> Suite``.

``robomtl.suite("metaworld/MT10")`` calls the factory ``metaworld`` with ``"MT10"``; a
name without a slash calls it with the empty string. A factory may carry an attribute
``variants``, a mapping of variant names to one line each, which ``robomtl list`` shows.
"""

POLICIES = Registry(
    "policy",
    "robomtl.policies",
    {"film": "robomtl.policies.film:Film", "mlp": "robomtl.policies.mlp:MLP"},
)
"""Policy classes; each carries its config dataclass as the attribute ``Config``."""


def suite(name: str, **options: Any) -> Suite:
    """The suite of this name, such as ``metaworld/MT10``.

    Args:
        name: Family and variant, joined by a slash.
        **options: Options of the family, such as ``goals="hidden"`` for ``metaworld/ML10``.

    Raises:
        ValueError: If the family or the variant is unknown.
    """
    family, _, variant = name.partition("/")
    made: Suite = SUITES.get(family)(variant, **options)
    return made
