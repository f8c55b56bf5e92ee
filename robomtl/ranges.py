"""Checks of what settings may be: one wording for what many refuse."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from robomtl.errors import InputError
from robomtl.nearest import unknown

_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a word"),
}
"""By the type of a setting: types its value may have, and what a message calls them."""


def check_names(settings: Any, names: Iterable[str], *, within: str = "") -> None:
    """Makes sure that a dataclass, or its class, has settings of these names.

    Args:
        settings: The dataclass.
        names: Of settings.
        within: What stands before their names in messages, such as ``training.``.

    Raises:
        TypeError: If it has not.
    """
    known = [each.name for each in fields(settings) if each.init]
    for name in names:
        if name not in known:
            said = unknown("setting", within + name, [within + each for each in known])
            raise TypeError(said.removesuffix("."))


def check_types(settings: Any) -> None:
    """Makes sure that plain settings of a dataclass are what their types say.

    Raises:
        TypeError: If one is not: a word where a number belongs, say.
    """
    for each in fields(settings):
        if each.type not in _PLAIN:
            continue
        (fits, said), value = _PLAIN[each.type], getattr(settings, each.name)
        if not isinstance(value, fits) or isinstance(value, bool) != (bool in fits):
            raise TypeError(f"{each.name} is {value!r}; give {said}")


def check_counts(settings: object, *names: str) -> None:
    """Makes sure that these settings are at least 1.

    Raises:
        ValueError: If one is not.
    """
    for name in names:
        if getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}; give at least 1.")


def check_positive(settings: object, *names: str) -> None:
    """Makes sure that these settings are above 0.

    Raises:
        ValueError: If one is not.
    """
    for name in names:
        if not getattr(settings, name) > 0:
            raise InputError(f"{name} is {getattr(settings, name)}; give more than 0.")


def check_not_negative(settings: object, *names: str) -> None:
    """Makes sure that these settings are 0 or more.

    Raises:
        ValueError: If one is not.
    """
    for name in names:
        if getattr(settings, name) < 0:
            raise InputError(f"{name} is {getattr(settings, name)}; give 0 or more.")


def check_parts(settings: object, *names: str) -> None:
    """Makes sure that these settings are parts of a whole that leave some of it.

    Raises:
        ValueError: If one is below 0, or 1 and more.
    """
    for name in names:
        if not 0 <= getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}; give 0 to below 1.")
