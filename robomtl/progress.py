"""Progress of work, with the estimated time left."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from robomtl.execution.pulse import PULSE
from robomtl.terminal import Terminal, say, visible

_LINE_EVERY = 5.0  # [s] Between lines where the output is no terminal.
_WITHIN = 0.9  # Fraction of an item for its training; the rest is for its trials.


class Advance(Protocol):
    """Reports that units of work are done."""

    def __call__(self, units: int = 1, *, note: str = "") -> None:
        """Counts units as done; the note is printed at the end of the line."""
        ...


class Reach(Protocol):
    """Reports how much of an item is done."""

    def __call__(self, index: int, fraction: float, *, note: str = "") -> None:
        """Counts the units of an item that are done; 1.0 is all of them."""
        ...


_QUIET = ContextVar("quiet", default=False)
_HEARD: ContextVar[Callable[[int, float], None] | None] = ContextVar(
    "heard", default=None
)


@contextmanager
def quiet() -> Iterator[None]:
    """Shows no progress line or remark in the block, whose work belongs to a larger item.

    A worker process notes its progress in its pulse instead, see ``robomtl.execution.pulse``.
    """
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)


def remark(sentence: str) -> None:
    """Prints a sentence on standard error, unless the block is ``quiet``."""
    if not _QUIET.get():
        say(sentence, stderr=True)


def remark_table(table: Table) -> None:
    """Prints a table on standard error, unless the block is ``quiet``."""
    if not _QUIET.get():
        Terminal(stderr=True).print(table)


@contextmanager
def progress(title: str, total: int, *, done: int = 0) -> Iterator[Advance]:
    """A live line with count, elapsed and remaining time, on standard error.

    On a terminal the line is redrawn; elsewhere a line is printed every few seconds, also
    where nothing was done in between.

    Args:
        title: What is being done.
        total: Units of work in all.
        done: Units that were done before.
    """
    title, done = visible(title), min(done, total)
    if _QUIET.get():
        yield _Quiet(total, done)
    elif sys.stderr.isatty():
        with _live(title, total, done) as advance:
            yield advance
    else:
        with _Lines(title, total, done).printed() as lines:
            yield lines


@contextmanager
def item_progress(title: str, units: Sequence[int], *, done: int) -> Iterator[Reach]:
    """The line of ``progress`` for items in workers; it also advances within an item.

    Args:
        title: What is being done.
        units: Units of work of each item.
        done: Units that were done before, of other items.
    """
    shown = [0] * len(units)
    with progress(title, done + sum(units), done=done) as advance:

        def reach(index: int, fraction: float, *, note: str = "") -> None:
            more = max(round(fraction * units[index]) - shown[index], 0)
            shown[index] += more
            if more or note:
                advance(more, note=note)

        token = _HEARD.set(reach)
        try:
            yield reach
        finally:
            _HEARD.reset(token)


def notice(index: int, fraction: float) -> None:
    """Reports the fraction of an item that a worker has done to ``item_progress``."""
    heard = _HEARD.get()
    if heard is not None:
        heard(index, fraction)


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
    with Progress(*columns, console=Terminal(stderr=True)) as bar:
        task = bar.add_task(title, total=total, completed=done, note="")

        def advance(units: int = 1, *, note: str = "") -> None:
            reached = min(bar.tasks[0].completed + units, total)
            bar.update(task, completed=reached)
            if note:
                bar.update(task, note=visible(note))

        yield advance


class _Quiet:
    """Notes the progress of a part of an item in the pulse of this process."""

    def __init__(self, total: int, done: int) -> None:
        self._total, self._done = total, done

    def __call__(self, units: int = 1, *, note: str = "") -> None:
        self._done += units
        PULSE.reach(_WITHIN * self._done / max(self._total, 1))


class _Lines:
    """Lines now and then, where the output is no terminal."""

    def __init__(self, title: str, total: int, done: int) -> None:
        self._title, self._total, self._note = title, total, ""
        self._done = self._before = done
        self._start = self._printed = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, units: int = 1, *, note: str = "") -> None:
        with self._lock:
            self._done = min(self._done + units, self._total)
            self._note = note or self._note
            self._print_if_due(ended=self._done >= self._total)

    @contextmanager
    def printed(self) -> Iterator["_Lines"]:
        """Keeps printing in the block, also while nothing is counted."""
        ended = threading.Event()
        thread = threading.Thread(target=self._keep_printing, args=(ended,))
        thread.daemon = True
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()

    def _keep_printing(self, ended: threading.Event) -> None:
        while not ended.wait(0.5):
            with self._lock:
                self._print_if_due(ended=False)

    def _print_if_due(self, *, ended: bool) -> None:
        now = time.monotonic()
        if not ended and now - self._printed < _LINE_EVERY:
            return
        self._printed = now
        left, new = max(self._total - self._done, 0), self._done - self._before
        pace = (now - self._start) / max(new, 1)
        soon = f", {left * pace:.0f} s left" if new or not left else ""
        print(
            f"{self._title}: {self._done}/{self._total}, {now - self._start:.0f} s{soon}."
            f" {visible(self._note)}".rstrip(),
            file=sys.stderr,
            flush=True,
        )
