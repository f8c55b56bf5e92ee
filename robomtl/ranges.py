"""Checks of settings: their names, types and ranges, with one wording of each message."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import wraps
from math import inf
from typing import Any, TypeVar

from robomtl.arguments import typed
from robomtl.earlier import present, present_name
from robomtl.errors import InputError
from robomtl.nearest import unknown
from robomtl.terminal import say

Settings = TypeVar("Settings")

SEEDS = 2**63
"""Seeds are below this limit, which suits the generators of both torch and numpy."""


REPETITIONS = 1000
"""Most seeds, orders or the like of an experiment."""


def check_names(settings: Any, names: Iterable[str], *, within: str = "") -> None:
    """Makes sure that a dataclass, or its class, has settings of these names.

    Args:
        settings: The dataclass.
        names: Of settings.
        within: Prefix of their names in messages, such as ``training.``.

    Raises:
        InputError: If it has not.
    """
    known = [each.name for each in fields(settings) if each.init]
    for name in names:
        if name not in known:
            known = [within + each for each in known]
            raise InputError(unknown("setting", within + name, known))


def settings(kind: type[Settings]) -> type[Settings]:
    """The dataclass, which answers unknown settings by the nearest; a decorator.

    Settings under their earlier names are taken, and a line on stderr has the present ones.
    """
    known = [each.name for each in fields(kind) if each.init]  # type: ignore[arg-type]
    initialise = kind.__init__

    @wraps(initialise)
    def checked(self: Settings, /, *given: Any, **named: Any) -> None:
        values = present(named, known)
        for name in named.keys() - values.keys():
            renamed = present_name(name, named[name])
            say(f"The setting {name} is now {renamed}.", stderr=True)
        check_names(kind, values)
        initialise(self, *given, **values)

    setattr(kind, "__init__", checked)  # noqa: B010
    return kind


def typed_fields(settings: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of settings of a dataclass, checked by ``typed`` against their types.

    Args:
        settings: The dataclass, or its class.
        values: By name.

    Raises:
        InputError: If one is of another type: a word where a number belongs, say.
    """
    kinds = {each.name: each.type for each in fields(settings)}
    return {name: typed(name, value, kinds[name]) for name, value in values.items()}


def made_of(settings: Any, values: Mapping[str, Any]) -> Any:
    """A dataclass with the given values; by a ``ValueError`` it refuses them.

    Args:
        settings: The dataclass, or its class for defaults elsewhere.
        values: By name, of the types of their fields.

    Raises:
        InputError: If the dataclass raises a ``ValueError``, as that of a plug-in may.
    """
    try:
        if isinstance(settings, type):
            return settings(**values)
        return replace(settings, **values)
    except ValueError as error:
        raise InputError(str(error)) from error


def check_types(settings: Any) -> None:
    """Checks the settings of a dataclass against their types.

    Numbers of numpy are replaced by Python's own, so that JSON can hold them.

    Raises:
        InputError: If one is of another type: a word where a number belongs, say.
    """
    for each in fields(settings):
        if not each.init:
            continue
        value = getattr(settings, each.name)
        plain = typed(each.name, value, each.type)
        if plain is not value:
            object.__setattr__(settings, each.name, plain)  # It may be frozen.


def check_seed(seed: int) -> None:
    """Refuses a seed that generators do not take.

    Raises:
        InputError: If it is negative or too large.
    """
    if not 0 <= seed < SEEDS:
        raise InputError(f"seed is {seed}; give 0 to {SEEDS - 1}.")


def check_sizes(settings: Any, *others: str) -> None:
    """Makes sure that all whole numbers among the fields of settings are at least 1.

    Args:
        settings: A dataclass.
        *others: Fields that are no sizes.

    Raises:
        InputError: If one is not; names it.
    """
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    sizes = {
        name: value
        for name, value in values.items()
        if isinstance(value, int) and name not in others
    }
    check_counts(settings, *sizes)


def check_counts(settings: object, *names: str) -> None:
    """Makes sure that these settings are at least 1.

    Raises:
        InputError: If one is not.
    """
    for name in names:
        if getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}; give at least 1.")


def check_repetitions(settings: object, *names: str) -> None:
    """Makes sure that these settings are numbers of repetitions, such as of seeds.

    Each repetition becomes a cell in memory, so that a seed given in place of their number
    would fill it.

    Raises:
        InputError: If one is below 1, or above ``REPETITIONS``.
    """
    check_counts(settings, *names)
    for name in names:
        value = getattr(settings, name)
        if value > REPETITIONS:
            raise InputError(
                f"{name} is {value}; give how many there are to be, at most {REPETITIONS}."
            )


def check_positive(settings: object, *names: str, endless: Sequence[str] = ()) -> None:
    """Makes sure that these settings are above 0.

    Args:
        settings: Has them.
        *names: Of the settings.
        endless: Those among them that may be infinite.

    Raises:
        InputError: If one is not, or is infinite.
    """
    for name in names:
        value = getattr(settings, name)
        if not value > 0:
            raise InputError(f"{name} is {value}; give more than 0.")
        if value == inf and name not in endless:
            raise InputError(f"{name} is {value}; give a finite number above 0.")


def check_not_negative(settings: object, *names: str) -> None:
    """Makes sure that these settings are 0 or more.

    Raises:
        InputError: If one is not, or is infinite.
    """
    for name in names:
        value = getattr(settings, name)
        if not value >= 0:
            raise InputError(f"{name} is {value}; give 0 or more.")
        if value == inf:
            raise InputError(f"{name} is {value}; give a finite number from 0.")


def check_parts(settings: object, *names: str) -> None:
    """Makes sure that these settings are parts of a whole that leave some of it.

    Raises:
        InputError: If one is below 0, or 1 and more.
    """
    for name in names:
        if not 0 <= getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}; give 0 to below 1.")
