"""Names and sentences given one by one or several at once.

A string is a sequence of letters, so ``tasks="reach"`` would be five tasks of one letter;
what takes several names takes one as well.
"""

from collections.abc import Iterable
from typing import TypeVar

from robomtl.errors import InputError

Word = TypeVar("Word", bound=str)


def several(what: str, given: Word | Iterable[Word]) -> tuple[Word, ...]:
    """The names or sentences that were given, where one may stand for itself.

    Args:
        what: What they are, for the message, such as ``tasks``.
        given: One, or several in order.

    Raises:
        ValueError: If something else than text is among them.
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
    """Refuses a name that is no text, empty, or holds what no terminal can show.

    Raises:
        ValueError: Saying which.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"The name of a {what} is {name!r}; give text.")
    if not name.isprintable():
        raise InputError(
            f"The name of a {what}, {name!r}, holds control characters; leave them out."
        )
