"""Parsing of suite options given as NAME=VALUE."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from robomtl.errors import InputError
from robomtl.suites import option_kinds


def options_from(suite: str, words: Sequence[str]) -> dict[str, Any]:
    """Options by name, converted to the types that the suite's factory declares.

    Args:
        suite: Full name of the suite.
        words: Options, each ``NAME=VALUE``; commas separate several values.

    Raises:
        InputError: If a word has another form. Unknown options are refused later, when
            the suite is built.
    """
    kinds, found = option_kinds(suite), dict[str, Any]()
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise InputError(
                f"--suite-options contains '{word}'; give NAME=VALUE, such as horizon=50."
            )
        name = name.replace("-", "_")
        found[name] = _value(text, kinds.get(name, str))
    return found


def _value(text: str, kind: Any) -> Any:
    """The text converted to an annotation; unchanged if it cannot be converted."""
    several: list[Any] = [text.split(",")] if "," in text else []
    for given in (*several, text, [text]):
        # A factory may have annotations to which no text can be converted.
        with suppress(msgspec.ValidationError, TypeError):
            return msgspec.convert(given, kind, strict=False)
    return text
