"""Names that users and plug-ins choose: one or several, checked, and as file names."""

import hashlib
import re
from collections.abc import Iterable
from typing import TypeVar

from robomtl.errors import InputError

Word = TypeVar("Word", bound=str)

_SIMPLE = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_+.-]{0,99}")
_UNUSUAL = re.compile(r"[^A-Za-z0-9_+.-]")
_KEPT, _DIGITS = 60, 16  # Of a name that is changed, and of its hash.


def several(what: str, given: Word | Iterable[Word]) -> tuple[Word, ...]:
    """The given names or sentences as a tuple, also where a single one was given.

    A string is a sequence of letters: ``tasks="reach"`` would be five tasks of one letter.

    Args:
        what: What they are, for the message, such as ``tasks``.
        given: One, or several in order.

    Raises:
        InputError: If one is not text.
    """
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, Iterable):
        raise InputError(f"{what} is {given!r}; give a name, or several in a list.")
    words = tuple(given)
    for word in words:
        if not isinstance(word, str):
            raise InputError(f"{what} holds {word!r}; give text, such as a name.")
    return words


def check_name(what: str, name: object) -> None:
    """Refuses a name that is not text, is blank, or has unprintable characters.

    Args:
        what: What has the name, for the message, such as ``task``.
        name: The name.

    Raises:
        InputError: If it is; says which.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"The name of a {what} is {name!r}; give text.")
    if not name.isprintable():
        raise InputError(
            f"The name of a {what}, {name!r}, holds control characters; leave them out."
        )


def file_name(name: str) -> str:
    """A file name for any text: a single path component, different for each text.

    Simple names, such as those of Meta-World's tasks, are kept. In others, unusual
    characters become ``_``, and a hash follows after ``@``, which simple names lack.

    Args:
        name: Such as that of a task.
    """
    if _SIMPLE.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    start = _UNUSUAL.sub("_", name)[:_KEPT].replace(".", "_")
    return f"{start}@{digest[:_DIGITS]}"
