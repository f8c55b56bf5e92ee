"""What a page says of how an experiment was made, as names and texts."""

from collections.abc import Mapping, Sequence
from typing import Any

from robomtl.evaluation import figures
from robomtl.pages.flat import flat

Pairs = list[tuple[str, str]]


def made(about: Mapping[str, Any], names: Sequence[str]) -> Pairs:
    """Where, with what and how long.

    Args:
        about: As ``results.json`` has it; see ``how_made``.
        names: Fields to show first.
    """
    return [
        *((name.capitalize(), text(about[name])) for name in names),
        ("Time", figures.duration(about["seconds"])),
        *flat(about["options"]),
        *flat(about["versions"]),
        ("robomtl commit", text(about["commit"])),
    ]


def asked(values: Mapping[str, Any], leave: Sequence[str]) -> Pairs:
    """What was to be found out, but for some fields."""
    return [
        (name.capitalize(), text(value))
        for name, value in flat(values)
        if name.partition(".")[0] not in leave
    ]


def text(value: object) -> str:
    """A value; a dash for nothing."""
    return "–" if value in (None, "", "None") else str(value)
