"""Options of a suite's own, as words of the command line."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from robomtl.errors import InputError
from robomtl.suites import option_kinds


def options_from(suite: str, words: Sequence[str]) -> dict[str, Any]:
    """The options that words name, of the types that the suite's factory declares.

    Args:
        suite: Full name of the suite.
        words: ``NAME=VALUE`` each; commas separate several values.

    Raises:
        InputError: If a word has another form. What is no option of the suite is refused
            when the suite is made.
    """
    kinds, found = option_kinds(suite), dict[str, Any]()
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise InputError(
                f"--suite-options holds '{word}'; give NAME=VALUE, such as horizon=50."
            )
        name = name.replace("-", "_")
        found[name] = _value(text, kinds.get(name, str))
    return found


def _value(text: str, kind: Any) -> Any:
    """The text as a value of an annotation; the text itself where it does not fit."""
    several: list[Any] = [text.split(",")] if "," in text else []
    for given in (*several, text, [text]):
        # A factory may be annotated with types that no word can stand for.
        with suppress(msgspec.ValidationError, TypeError):
            return msgspec.convert(given, kind, strict=False)
    return text
