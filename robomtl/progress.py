"""How long work will take, told while it runs."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from robomtl.names import visible
from robomtl.terminal import say

_QUIET = ContextVar("quiet", default=False)
_LINE_EVERY = 15.0  # [s] Between lines where the output is no terminal.


class Advance(Protocol):
    """Reports that units of work are done."""

    def __call__(self, units: int = 1, *, note: str = "") -> None:
        """Counts units as done; the note stands at the end of the line."""
        ...


@contextmanager
def quiet() -> Iterator[None]:
    """No line is shown in the block: what goes on there is a part of something larger."""
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)


def remark(sentence: str) -> None:
    """Prints a sentence on standard error, unless the block is ``quiet``."""
    if not _QUIET.get():
        say(sentence, stderr=True)


def _nothing(units: int = 1, *, note: str = "") -> None:
    """Counts nothing."""


@contextmanager
def progress(title: str, total: int, *, done: int = 0) -> Iterator[Advance]:
    """A live line with count, elapsed and remaining time, on standard error.

    On a terminal the line is redrawn; elsewhere a line is printed now and then.

    Args:
        title: What is being done.
        total: Units of work in all.
        done: Units that were done before.
    """
    title = visible(title)
    if _QUIET.get():
        yield _nothing
    elif sys.stderr.isatty():
        with _live(title, total, done) as advance:
            yield advance
    else:
        yield _Lines(title, total, done)


@contextmanager
def _live(title: str, total: int, done: int) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, completed=done, note="")

        def advance(units: int = 1, *, note: str = "") -> None:
            bar.update(task, advance=units, note=visible(note))

        yield advance


class _Lines:
    def __init__(self, title: str, total: int, done: int) -> None:
        self._title, self._total = title, total
        self._done = self._before = done
        self._start = self._printed = time.monotonic()

    def __call__(self, units: int = 1, *, note: str = "") -> None:
        self._done += units
        now = time.monotonic()
        if self._done < self._total and now - self._printed < _LINE_EVERY:
            return
        self._printed = now
        left = self._total - self._done
        pace = (now - self._start) / max(self._done - self._before, 1)
        print(
            f"{self._title}: {self._done}/{self._total}, {now - self._start:.0f} s, "
            f"{left * pace:.0f} s left. {visible(note)}".rstrip(),
            file=sys.stderr,
            flush=True,
        )
