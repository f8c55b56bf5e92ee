"""Warnings on standard error, of which repetitions within a run are printed once."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from robomtl.terminal import say

_GATHERED: ContextVar[list[str] | None] = ContextVar("gathered", default=None)


def warn(sentence: str) -> None:
    """Prints a warning on standard error; within ``gathered`` it is collected instead."""
    collected = _GATHERED.get()
    if collected is None:
        say(sentence, stderr=True)
    elif sentence not in collected:
        collected.append(sentence)


@contextmanager
def gathered() -> Iterator[list[str]]:
    """Collects the warnings of the block in a list, each once, in place of printing them."""
    collected = list[str]()
    token = _GATHERED.set(collected)
    try:
        yield collected
    finally:
        _GATHERED.reset(token)


@contextmanager
def warned_once() -> Iterator[None]:
    """Prints each warning of the block once, after the block has succeeded."""
    with gathered() as collected:
        yield
    for sentence in collected:
        warn(sentence)
