"""Flags with a fixed set of words: an unknown word is answered by the nearest one."""

from dataclasses import replace
from typing import Any, Literal, get_args, get_origin

from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
)

from robomtl.arguments import alternatives
from robomtl.nearest import unknown

CHOICES = ConstructorRegistry()
"""Rules by which tyro parses such values, active within ``with CHOICES``."""

_HANDLED: Any = "robomtl.choices"  # Marks annotations to which the rule was applied.


@CHOICES.primitive_rule
def _chosen(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    words = _words(info.type)
    if not words or _HANDLED in info.markers:
        return None
    again = PrimitiveTypeInfo.make(info.type, info.markers | {_HANDLED})
    usual = ConstructorRegistry.get_primitive_spec(again)
    assert isinstance(usual, PrimitiveConstructorSpec)

    def made(given: list[str]) -> Any:
        try:
            return usual.instance_from_str(given)
        except ValueError as error:
            wrong = next((word for word in given if word not in words), None)
            if wrong is None:
                raise
            raise ValueError(unknown("choice", wrong, words)) from error

    # Disables tyro's own check of choices, which would come first and suggests no word.
    return replace(usual, instance_from_str=made, choices=None)


def _words(kind: Any) -> tuple[str, ...]:
    """The words of a ``Literal``, also within a union, a tuple or a list."""
    if get_origin(kind) is Literal:
        return tuple(map(str, get_args(kind)))
    inner = [k for k in alternatives(kind) if k is not kind]
    inner += get_args(kind) if get_origin(kind) in (tuple, list) else ()
    words = [word for each in inner for word in _words(each)]
    if words and type(None) in inner:
        words.append("None")
    return tuple(words)
