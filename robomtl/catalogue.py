"""Registries: items by name, built in, plugged in by entry points, or registered."""

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar

from robomtl.errors import InputError, PlugInError
from robomtl.nearest import unknown
from robomtl.plug_in import FULL, described

Item = TypeVar("Item")


class Registry(Generic[Item]):
    """Maps names to items; an item is imported when its name is first looked up.

    Args:
        kind: Kind of the items, such as ``policy``, for messages.
        group: Entry-point group through which other distributions add names.
        builtins: ``"module:attribute"`` strings of this distribution, by name.
    """

    def __init__(self, kind: str, group: str, builtins: dict[str, str]) -> None:
        self.kind = kind
        self.group = group
        self._builtins = {
            name: EntryPoint(name, value, group) for name, value in builtins.items()
        }
        self._items: dict[str, Item] = {}

    def names(self) -> list[str]:
        """All known names, sorted."""
        return sorted({*self._items, *self._builtins, *self._plug_ins()})

    def built_in(self) -> list[str]:
        """Names that are built in or registered in this process, sorted."""
        return sorted(set(self.names()) - self.plugged_in().keys())

    def plugged_in(self) -> dict[str, tuple[str, ...]]:
        """Names that other distributions add, sorted, and the distributions of each.

        ``get`` refuses a name of several distributions, built-in names included.
        """
        return {
            name: tuple(_distribution(entry) for entry in self._claims(name))
            for name in sorted(self._plug_ins())
        }

    def register(self, name: str, item: Item) -> None:
        """Adds an item under a new name, in this process.

        Raises:
            InputError: If the name is taken, or contains a slash.
        """
        if "/" in name:
            raise InputError(
                f"{self.kind} '{name}' contains a slash, which is reserved for variants;"
                " leave it out."
            )
        if name in self.names():
            raise InputError(f"{self.kind} '{name}' is already registered.")
        self._items[name] = item

    def get(self, name: str) -> Item:
        """The item registered under a name.

        Raises:
            InputError: If no item has this name, or several distributions register it.
            PlugInError: If importing a plug-in raises an exception.
        """
        if name not in self._items:
            self._items[name] = self._loaded(self._find(name))
        return self._items[name]

    def _plug_ins(self) -> dict[str, list[EntryPoint]]:
        """The entry points of other distributions, by name."""
        return _installed(self.group, _folders())

    def _claims(self, name: str) -> list[EntryPoint]:
        """All entry points of a name, built-in or plugged in; several are an error."""
        own = [self._builtins[name]] if name in self._builtins else []
        return own + self._plug_ins().get(name, [])

    def _find(self, name: str) -> EntryPoint:
        claims = self._claims(name)
        if not claims:
            raise InputError(
                f"{unknown(self.kind, name, self.names())} Names that your own module"
                " registers are known once it is imported (robomtl --import MODULE)."
            )
        if len(claims) > 1:
            owners = " and ".join(_distribution(entry) for entry in claims)
            raise InputError(
                f"The {self.kind} '{name}' is registered by {len(claims)} distributions,"
                f" {owners}; uninstall all but one of them, or rename the entry point in"
                f" its group '{self.group}'."
            )
        return claims[0]

    def _loaded(self, entry: EntryPoint) -> Item:
        try:
            item: Item = entry.load()
        except (Exception, SystemExit) as error:  # Plug-ins raise anything.
            if entry.dist is None:
                raise
            raise PlugInError(
                f"The {self.kind} '{entry.name}' of the distribution"
                f" '{_distribution(entry)}' ({entry.value}) cannot be imported:"
                f" {described(error)}. {FULL}"
            ) from error
        return item


def _folders() -> tuple[tuple[str, int], ...]:
    """The folders on Python's path, and the time at which each was last changed [ns]."""
    folders = [Path(name) for name in sys.path]
    return tuple(
        (str(folder.absolute()), folder.stat().st_mtime_ns)
        for folder in folders
        if folder.is_dir()
    )


@lru_cache(maxsize=16)
def _installed(
    group: str, folders: tuple[tuple[str, int], ...]
) -> dict[str, list[EntryPoint]]:
    """Entry points of a group, by name; cached, as reading all of them takes 10 ms."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, []).append(entry)
    return found


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "robomtl"
