"""Checks of the arguments of public functions against their annotations.

Numbers of numpy and torch are converted to Python's own, which can be written as JSON. A wrong value
is refused by a message that lists the allowed values and, where words are allowed, the nearest one.
Calls in the style of earlier versions, whose settings have moved into a dataclass, still work: the
settings are put into the dataclass, and a line on stderr shows the call with it.
"""

import functools
import inspect
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from robomtl.errors import InputError
from robomtl.nearest import unknown
from robomtl.terminal import say

Given = ParamSpec("Given")
Result = TypeVar("Result")

_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a word"),
    Path: ((str, os.PathLike), "a path"),
}
"""For each annotation, the types that fit and their description in messages."""

_NO_OBJECT = (str, bytes, os.PathLike, int, float, tuple, list, dict, type)
"""Types of values that are not checked against protocols, as they cannot implement one."""

_NO_LIST = (str, bytes, Mapping, set, frozenset)
"""Iterable types that do not count as lists; the order of a set differs from process to
process."""

_MADE = {
    "Agent": "such as robomtl.PolicyAgent(RUN)",
    "Demonstrations": "as robomtl.Demonstrations(FOLDER) reads",
    "Suite": "as robomtl.suite(NAME) makes",
}
"""For each class whose constructor is not obvious, how to make an object, for messages."""

_LARGEST = 2**63 - 1
"""Largest whole number that tensors and the files of a run can represent."""

_SHOWN = 60  # Characters of a value in a message.


def checked(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Decorator that checks a function's arguments by ``typed`` against annotations."""
    parameters = inspect.signature(function).parameters
    open_ended = any(each.kind is each.VAR_KEYWORD for each in parameters.values())

    @functools.wraps(function)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        given: Mapping[str, Any] = kwargs
        if not open_ended and not kwargs.keys() <= parameters.keys():
            given = _with_moved(function, parameters, kwargs)
        positional = list(parameters)[: len(args)]
        first = [
            _argument(parameters[name], value)
            for name, value in zip(positional, args, strict=False)
        ]
        rest = {
            name: _argument(parameters[name], value) if name in parameters else value
            for name, value in given.items()
        }
        return function(*first, *args[len(first) :], **rest)  # type: ignore[arg-type]

    return call


def typed(name: str, value: Any, kind: Any) -> Any:
    """The value, if it fits its annotation; numbers of numpy and torch become Python's own.

    Annotations other than those listed below accept any value.

    Args:
        name: Name of the setting or argument, for the message.
        value: The given value.
        kind: The annotation: a plain type, a ``Literal``, a sequence, a mapping, a callable,
            a class, a protocol, or a union of these.

    Raises:
        InputError: If the value does not fit, or is a whole number beyond 64 bits; the
            message lists what is allowed, and the nearest of several words.
    """
    if getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise InputError(f"{name} is {shown(value)}; give at most {_LARGEST}.")
    kinds = [*alternatives(kind)]
    if Path in kinds and value == "":  # It would be the working directory.
        raise InputError(f"{name} is ''; give {_PLAIN[Path][1]}.")
    if any(_fits(value, each) for each in kinds):
        return next(_plain(name, value, each) for each in kinds if _fits(value, each))
    words = [word for each in kinds for word in _words(each)]
    if words and isinstance(value, str):
        raise InputError(unknown(name.replace("_", " "), value, words))
    kinds = [each for each in kinds if each is not type(None)] or [None]
    if Path in kinds:
        kinds = [each for each in kinds if each is not str]
    allowed = " or ".join(_said(each, value) for each in kinds)
    absent = [
        member
        for each in kinds
        if getattr(each, "_is_protocol", False) and _may_be_object(value)
        for member in lacking(value, each)
    ]
    without = f", which lacks {', '.join(absent)}" if absent else ""
    raise InputError(f"{name} is {shown(value)}{without}; give {allowed}.")


def _with_moved(
    function: Callable[..., Any],
    parameters: Mapping[str, inspect.Parameter],
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """The arguments, with settings of earlier versions moved into their dataclass.

    Prints the call with the dataclass on stderr.

    Raises:
        InputError: If the dataclass is given as well; the message shows the call.
    """
    holders: dict[str, tuple[str, type]] = {
        field.name: (parameter.name, kind)
        for parameter in reversed([*parameters.values()])
        for kind in alternatives(parameter.annotation)
        if isinstance(kind, type) and is_dataclass(kind)
        for field in fields(kind)
    }
    moved: dict[tuple[str, type], dict[str, Any]] = {}
    for name in (n for n in given if n in holders and n not in parameters):
        moved.setdefault(holders[name], {})[name] = given[name]
    if not moved:
        return dict(given)
    spelled = ", ".join(
        f"{name}={kind.__name__}({', '.join(f'{k}={shown(v)}' for k, v in some.items())})"
        for (name, kind), some in moved.items()
    )
    present = (
        f"{function.__name__} takes these settings in a dataclass; give {spelled}."
    )
    if any(name in given for name, _ in moved):
        raise InputError(present)
    say(present, stderr=True)
    kept = {n: v for n, v in given.items() if n in parameters or n not in holders}
    return kept | {name: kind(**some) for (name, kind), some in moved.items()}


def _argument(parameter: inspect.Parameter, value: Any) -> Any:
    if parameter.annotation is parameter.empty or value is parameter.default:
        return value
    return typed(parameter.name, value, parameter.annotation)


def alternatives(kind: Any) -> tuple[Any, ...]:
    """The members of a union; for any other annotation, the annotation alone."""
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _words(kind: Any) -> tuple[str, ...]:
    return tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()


def _fits(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if kind in _PLAIN:
        fits = _PLAIN[kind][0]
        return isinstance(value, fits) and isinstance(value, bool) == (bool in fits)
    if kind is None or kind is type(None):
        return value is None
    origin = get_origin(kind)
    if origin is Literal:
        return any(value is each or value == each for each in get_args(kind))
    if origin in (tuple, list, Sequence):
        return isinstance(value, Iterable) and not isinstance(value, _NO_LIST)
    if origin is Mapping:
        return isinstance(value, Mapping)
    if origin is Callable:
        return callable(value)
    if isinstance(kind, type) and kind is not object:
        if getattr(kind, "_is_protocol", False):
            return _may_be_object(value) and not lacking(value, kind)
        return isinstance(value, kind)
    return True


def _may_be_object(value: Any) -> bool:
    return value is not None and not isinstance(value, _NO_OBJECT)


def lacking(value: Any, protocol: type) -> list[str]:
    """Members of a protocol that a value lacks; properties are not computed."""
    of = [each for each in protocol.__mro__ if getattr(each, "_is_protocol", False)]
    names = [name for each in of for name in (*each.__annotations__, *vars(each))]
    public = [name for name in names if not name.startswith("_")]
    return [n for n in public if not (hasattr(type(value), n) or hasattr(value, n))]


def _plain(name: str, value: Any, kind: Any) -> Any:
    """A value that fits, with numpy's numbers in sequences converted to Python's own.

    Iterables other than lists and tuples, such as generators and arrays, become lists.
    """
    if get_origin(kind) not in (tuple, list, Sequence):
        return value
    given = value if isinstance(value, tuple | list) else [*value]
    inner = get_args(kind)
    if len(inner) > 1 and inner[1] is not Ellipsis:
        if len(given) != len(inner):
            return value  # The function itself reports a wrong length.
    else:
        inner = inner[:1] * len(given)
    plain = [typed(name, each, of) for each, of in zip(given, inner, strict=True)]
    if all(new is old for new, old in zip(plain, given, strict=True)):
        return given
    return plain if isinstance(given, list) else tuple(plain)


def _said(kind: Any, value: Any) -> str:
    if kind in _PLAIN:
        return _PLAIN[kind][1]
    if kind is None:
        return "None"
    if get_origin(kind) is Literal:
        return ", ".join(map(repr, get_args(kind)))
    if get_origin(kind) is Mapping:
        return "a dictionary"
    if get_origin(kind) is Callable:
        return "a function"
    if get_origin(kind) is not None:
        return f"a list, such as [{value!r}]" if isinstance(value, str) else "a list"
    name = kind.__name__
    made = _MADE.get(name)
    if isinstance(value, Mapping) and is_dataclass(kind):
        made = f"such as {name}({', '.join(f'{k}={v!r}' for k, v in value.items())})"
    how = f", {made}" if made else ""
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name} object{how}"


def shown(value: Any) -> str:
    """The repr of a value for a message, truncated to 60 characters."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
