"""Packages whose names are loaded on first use, so that importing them costs nothing."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def loading(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for a package.

    Args:
        package: Its name, for the message.
        homes: The module of each public name; ``module:name`` where it has another
            name there.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(
                f"{package} has no '{name}'; it has {', '.join(homes)}."
            )
        module, _, attribute = homes[name].partition(":")
        return getattr(importlib.import_module(module), attribute or name)

    return find
