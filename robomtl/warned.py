"""Warnings that are printed once, however many parts of a run give them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from robomtl.terminal import say

_GATHERED: ContextVar[list[str] | None] = ContextVar("gathered", default=None)


def warn(sentence: str) -> None:
    """Prints a warning on standard error; within ``gathered`` it is kept instead."""
    given = _GATHERED.get()
    if given is None:
        say(sentence, stderr=True)
    elif sentence not in given:
        given.append(sentence)


@contextmanager
def gathered() -> Iterator[list[str]]:
    """The warnings of the block, each once, in place of printing them."""
    given = list[str]()
    token = _GATHERED.set(given)
    try:
        yield given
    finally:
        _GATHERED.reset(token)


@contextmanager
def warned_once() -> Iterator[None]:
    """Gives each warning of the block once, when the block has succeeded."""
    with gathered() as given:
        yield
    for sentence in given:
        warn(sentence)
