"""Converts Gymnasium spaces, which Minari writes as JSON, to columns."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from robomtl.files.untrusted import parse_json
from robomtl.importing.source import COMPONENTS, Column

_UNBOUNDED = re.compile(r"-?\bInfinity\b|\bNaN\b")
_LEAST_IMAGE = 32  # [px] Minari does not store arrays with a smaller side as JPEG.


class Leaf(NamedTuple):
    """A part of a space that is neither a Dict nor a Tuple."""

    column: Column | None
    """The part as a column; None if it cannot be imported."""
    encoded: bool
    """Whether it is stored as JPEG, if the data set encodes images."""
    reason: str
    """Reason why the part cannot be imported; empty if it can."""
    bounds: tuple[list[float | None], list[float | None]] | None
    """Least and largest value of each component; None among them where unbounded."""


def leaves(text: str, *, where: str, root: str) -> dict[str, Leaf]:
    """The parts of a space, by their paths in an episode.

    Args:
        text: The JSON.
        where: Name of the JSON, for messages.
        root: Name of the space in an episode, such as ``observations``.

    Raises:
        InputError: If the text is not a JSON object.
    """
    return dict(_leaves(parse_python_json(text, where=where), root))


def parse_python_json(text: str, *, where: str) -> dict[str, Any]:
    """A JSON object that Python wrote; NaN and infinities become None.

    Raises:
        InputError: If the text is not a JSON object.
    """
    return parse_json(_UNBOUNDED.sub("null", text), dict[str, Any], where=where)


def _leaves(space: Any, path: str) -> Iterator[tuple[str, Leaf]]:
    kind = space.get("type") if isinstance(space, dict) else None
    below = space.get("subspaces") if isinstance(space, dict) else None
    if kind == "Dict" and isinstance(below, dict):
        for name, each in below.items():
            yield from _leaves(each, f"{path}/{name}")
    elif kind == "Tuple" and isinstance(below, list):
        for number, each in enumerate(below):
            yield from _leaves(each, f"{path}/_index_{number}")
    else:
        yield path, _leaf(kind, space if isinstance(space, dict) else {})


def _leaf(kind: object, space: Mapping[str, Any]) -> Leaf:
    shape, dtype = space.get("shape"), str(space.get("dtype"))[:40]
    sides = shape if isinstance(shape, list) else []
    whole = isinstance(shape, list) and all(type(each) is int for each in sides)
    if kind == "Box" and whole and len(sides) < 2 and _within(sides, COMPONENTS):
        low, high = (_flat(space.get(each)) for each in ("low", "high"))
        return Leaf(Column("vector", tuple(sides) or (1,)), False, "", (low, high))
    if kind == "Box" and whole and len(sides) == 3 and dtype == "uint8":
        if sides[2] == 3 and _within(sides, 8192):
            large = min(sides[:2]) >= _LEAST_IMAGE
            return Leaf(Column("image", tuple(sides)), large, "", None)
    said = f"is of the space {str(kind)[:40]}"
    return Leaf(None, False, f"{said}, {dtype} of shape {str(shape)[:80]}", None)


def _within(sides: list[int], most: int) -> bool:
    return all(0 < each <= most for each in sides)


def _flat(bounds: Any) -> list[float | None]:
    each = bounds if isinstance(bounds, list) else [bounds]
    return [float(value) if isinstance(value, int | float) else None for value in each]
