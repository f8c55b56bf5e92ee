"""Checks of the names, types and ranges of settings, with uniform messages."""

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
"""Upper limit of seeds, exclusive; generators of torch and numpy accept all below it."""


REPETITIONS = 1000
"""Most repetitions in an experiment, such as seeds or task orders."""


def check_names(settings: Any, names: Iterable[str], *, within: str = "") -> None:
    """Checks that a dataclass has settings of these names.

    Args:
        settings: A dataclass, or an instance of one.
        names: Names of settings.
        within: Prefix of the names in messages, such as ``training.``.

    Raises:
        InputError: If a name is unknown; the message has the nearest.
    """
    known = [each.name for each in fields(settings) if each.init]
    for name in names:
        if name not in known:
            known = [within + each for each in known]
            raise InputError(unknown("setting", within + name, known))


def settings(kind: type[Settings]) -> type[Settings]:
    """Class decorator that makes a dataclass answer unknown settings by the nearest name.

    Settings under earlier names are accepted, and their present names printed on stderr.
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
    """Values of settings of a dataclass, checked against their types by ``typed``.

    Args:
        settings: A dataclass, or an instance of one.
        values: Values by name.

    Raises:
        InputError: If a value has another type, such as a word in place of a number.
    """
    kinds = {each.name: each.type for each in fields(settings)}
    return {name: typed(name, value, kinds[name]) for name, value in values.items()}


def made_of(settings: Any, values: Mapping[str, Any]) -> Any:
    """A dataclass with the given values, whose ``ValueError`` becomes an ``InputError``.

    Args:
        settings: A dataclass, whose defaults are used for other fields, or an instance,
            whose values are used.
        values: Values by name, of the types of their fields.

    Raises:
        InputError: If the dataclass raises a ``ValueError``, as a plug-in's may.
    """
    try:
        if isinstance(settings, type):
            return settings(**values)
        return replace(settings, **values)
    except ValueError as error:
        raise InputError(str(error)) from error


def check_types(settings: Any) -> None:
    """Checks the settings of a dataclass against their types.

    Numbers of numpy are replaced by Python's own, which can be written as JSON.

    Raises:
        InputError: If a value has another type, such as a word in place of a number.
    """
    for each in fields(settings):
        if not each.init:
            continue
        value = getattr(settings, each.name)
        plain = typed(each.name, value, each.type)
        if plain is not value:
            object.__setattr__(settings, each.name, plain)  # It may be frozen.


def check_seed(seed: int) -> None:
    """Refuses a seed that random generators do not accept.

    Raises:
        InputError: If it is negative or too large.
    """
    if not 0 <= seed < SEEDS:
        raise InputError(f"seed is {seed}; give 0 to {SEEDS - 1}.")


def check_sizes(settings: Any, *others: str) -> None:
    """Checks that all integer fields of settings are at least 1.

    Args:
        settings: An instance of a dataclass.
        *others: Names of integer fields that are not sizes.

    Raises:
        InputError: If a field is below 1.
    """
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    sizes = {
        name: value
        for name, value in values.items()
        if isinstance(value, int) and name not in others
    }
    check_counts(settings, *sizes)


def check_counts(settings: object, *names: str) -> None:
    """Checks that these settings are at least 1.

    Raises:
        InputError: If a setting is below 1.
    """
    for name in names:
        if getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}; give at least 1.")


def check_repetitions(settings: object, *names: str) -> None:
    """Checks that these settings are plausible numbers of repetitions, such as seeds.

    Each repetition becomes a cell in memory, so that a large seed, given by mistake in
    place of a number of seeds, would exhaust it.

    Raises:
        InputError: If a setting is below 1, or above ``REPETITIONS``.
    """
    check_counts(settings, *names)
    for name in names:
        value = getattr(settings, name)
        if value > REPETITIONS:
            raise InputError(
                f"{name} is {value}; give the number of repetitions, at most {REPETITIONS}."
            )


def check_positive(settings: object, *names: str, endless: Sequence[str] = ()) -> None:
    """Checks that these settings are above 0 and finite.

    Args:
        settings: Object with the settings as attributes.
        *names: Names of the settings.
        endless: Names of settings that may be infinite.

    Raises:
        InputError: If a setting is not above 0, or is infinite.
    """
    for name in names:
        value = getattr(settings, name)
        if not value > 0:
            raise InputError(f"{name} is {value}; give more than 0.")
        if value == inf and name not in endless:
            raise InputError(f"{name} is {value}; give a finite number above 0.")


def check_not_negative(settings: object, *names: str) -> None:
    """Checks that these settings are at least 0 and finite.

    Raises:
        InputError: If a setting is negative or infinite.
    """
    for name in names:
        value = getattr(settings, name)
        if not value >= 0:
            raise InputError(f"{name} is {value}; give 0 or more.")
        if value == inf:
            raise InputError(f"{name} is {value}; give a finite number from 0.")


def check_parts(settings: object, *names: str) -> None:
    """Checks that these settings are fractions from 0 to below 1.

    Raises:
        InputError: If a setting is below 0, or at least 1.
    """
    for name in names:
        if not 0 <= getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}; give 0 to below 1.")
