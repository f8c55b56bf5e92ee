"""Flattens plain data to rows of a table."""

from collections.abc import Iterator, Mapping
from typing import Any


def flat(data: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Pairs of name and text of plain data; names of nested fields are joined by dots."""
    if not isinstance(data, Mapping):
        several = isinstance(data, list | tuple)
        yield name, ", ".join(map(str, data)) if several else str(data)
        return
    for key, value in data.items():
        yield from flat(value, f"{name}.{key}" if name else str(key))
