"""What users give to public functions, made plain and checked by its type, once.

A number of numpy is taken as Python's own, which JSON can hold; a word that is none of
those allowed is answered with the nearest; what is of another type is refused in words.
"""

import functools
import inspect
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

import numpy as np

from robomtl.errors import InputError
from robomtl.nearest import unknown

Given = ParamSpec("Given")
Result = TypeVar("Result")

_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a word"),
    Path: ((str, os.PathLike), "a path"),
}
"""By the type that is wanted: types that fit, and what a message calls them."""

_NO_OBJECT = (str, bytes, os.PathLike, int, float, tuple, list, dict)
"""What is given by mistake where an object with methods is wanted."""

_SHOWN = 60  # Letters of a value in a message.


def checked(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """The function, which takes its arguments as ``typed`` to their annotations."""
    parameters = inspect.signature(function).parameters

    @functools.wraps(function)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        places = list(parameters)[: len(args)]
        first = [
            _argument(parameters[name], value)
            for name, value in zip(places, args, strict=False)
        ]
        rest = {
            name: _argument(parameters[name], value) if name in parameters else value
            for name, value in kwargs.items()
        }
        return function(*first, *args[len(first) :], **rest)  # type: ignore[arg-type]

    return call


def typed(name: str, value: Any, kind: Any) -> Any:
    """The value as its type wants it; numpy's numbers as Python's.

    Types that are not named here, such as mappings and callables, take anything.

    Args:
        name: Of the setting or argument, for the message.
        value: As it was given.
        kind: The annotation: a plain type, a ``Literal``, a sequence, a class, a protocol,
            or a union of these.

    Raises:
        InputError: If the value does not fit; the message says what does, and of words
            the nearest.
    """
    if isinstance(value, np.generic):
        value = value.item()
    kinds = [*_alternatives(kind)]
    if any(_fits(value, each) for each in kinds):
        return next(_plain(name, value, each) for each in kinds if _fits(value, each))
    words = [word for each in kinds for word in _words(each)]
    if words and isinstance(value, str):
        raise InputError(unknown(name.replace("_", " "), value, words))
    kinds = [each for each in kinds if each is not type(None)] or [None]
    if Path in kinds:
        kinds = [each for each in kinds if each is not str]
    allowed = " or ".join(_said(each, value) for each in kinds)
    raise InputError(f"{name} is {shown(value)}; give {allowed}.")


def _argument(parameter: inspect.Parameter, value: Any) -> Any:
    if parameter.annotation is parameter.empty or value is parameter.default:
        return value
    return typed(parameter.name, value, parameter.annotation)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _words(kind: Any) -> tuple[str, ...]:
    return tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()


def _fits(value: Any, kind: Any) -> bool:
    if kind in _PLAIN:
        fits = _PLAIN[kind][0]
        return isinstance(value, fits) and isinstance(value, bool) == (bool in fits)
    if kind is None or kind is type(None):
        return value is None
    origin = get_origin(kind)
    if origin is Literal:
        return any(value is each or value == each for each in get_args(kind))
    if origin in (tuple, list, Sequence):
        return isinstance(value, Iterable) and not isinstance(value, str | Mapping)
    if isinstance(kind, type) and kind is not object:
        if getattr(kind, "_is_protocol", False):
            return value is not None and not isinstance(value, _NO_OBJECT)
        return isinstance(value, kind)
    return True


def _plain(name: str, value: Any, kind: Any) -> Any:
    """A value that fits; of a sequence, numpy's numbers as Python's."""
    if get_origin(kind) not in (tuple, list, Sequence):
        return value
    if isinstance(value, np.ndarray):
        return value.tolist()
    if not isinstance(value, tuple | list):
        return value
    inner = [each for each in get_args(kind) if each is not Ellipsis]
    if len(inner) != 1:
        return value
    plain = [typed(name, each, inner[0]) for each in value]
    same = all(new is old for new, old in zip(plain, value, strict=True))
    return value if same else type(value)(plain)


def _said(kind: Any, value: Any) -> str:
    if kind in _PLAIN:
        return _PLAIN[kind][1]
    if kind is None:
        return "None"
    if get_origin(kind) is Literal:
        return ", ".join(map(repr, get_args(kind)))
    if get_origin(kind) is not None:
        return f"a list, such as [{value!r}]" if isinstance(value, str) else "a list"
    return f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__} object"


def shown(value: Any) -> str:
    """A value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
