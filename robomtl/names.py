"""Checks of names that users and plug-ins choose, and their conversion to file names."""

import hashlib
import re
from collections.abc import Iterable
from typing import TypeVar

from robomtl.errors import InputError

Word = TypeVar("Word", bound=str)

_SIMPLE = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_+.-]{0,99}")
_UNUSUAL = re.compile(r"[^A-Za-z0-9_+.-]")
_KEPT, _DIGITS = 60, 16  # Characters kept of a changed name, and digits of its hash.


def several(what: str, given: Word | Iterable[Word]) -> tuple[Word, ...]:
    """One or several names or sentences as a tuple.

    A single string becomes a tuple of one, since iterating over ``tasks="reach"`` would
    give five tasks of one letter.

    Args:
        what: Name of the argument, for the message, such as ``tasks``.
        given: One string, or several in order.

    Raises:
        InputError: If a value is not a string.
    """
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, Iterable):
        raise InputError(f"{what} is {given!r}; give a name, or several in a list.")
    words = tuple(given)
    for word in words:
        if not isinstance(word, str):
            raise InputError(f"{what} contains {word!r}; give text, such as a name.")
    return words


def check_name(what: str, name: object) -> None:
    """Refuses a name that is not text, is blank, or has unprintable characters.

    Args:
        what: Kind of the named object, for the message, such as ``task``.
        name: Name to check.

    Raises:
        InputError: If the name is refused.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"The name of a {what} is {name!r}; give text.")
    if not name.isprintable():
        raise InputError(
            f"The name of a {what}, {name!r}, contains control characters; leave them out."
        )


def file_name(name: str) -> str:
    """A file name for any text: a single path component, unique to the text.

    Simple names, such as those of Meta-World's tasks, are kept. In other names, unusual
    characters become ``_``, and ``@`` and a hash are appended; simple names have no ``@``.

    Args:
        name: Any text, such as the name of a task.
    """
    if _SIMPLE.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    start = _UNUSUAL.sub("_", name)[:_KEPT].replace(".", "_")
    return f"{start}@{digest[:_DIGITS]}"
