"""Progress lines with the estimated time left."""

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

from robomtl.execution.heartbeat import HEARTBEAT
from robomtl.terminal import Terminal, say, visible

_LINE_EVERY = 5.0  # [s] Between lines if the output is not a terminal.
_WITHIN = 0.9  # Fraction of an item for its training; the rest is for its trials.


class Advance(Protocol):
    """Reports that units of work are done."""

    def __call__(self, units: int = 1, *, note: str = "") -> None:
        """Adds finished units; the note is printed at the end of the line."""
        ...


class Reach(Protocol):
    """Reports the finished fraction of an item."""

    def __call__(self, index: int, fraction: float, *, note: str = "") -> None:
        """Sets the finished fraction of an item, from 0 to 1, by the item's index."""
        ...


_QUIET = ContextVar("quiet", default=False)
_HEARD: ContextVar[Callable[[int, float], None] | None] = ContextVar(
    "heard", default=None
)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses progress lines and remarks in the block.

    A worker process records its progress in its heartbeat instead, see
    ``robomtl.execution.heartbeat``.
    """
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)


def remark(sentence: str) -> None:
    """Prints a sentence on standard error, except within ``quiet``."""
    if not _QUIET.get():
        say(sentence, stderr=True)


def remark_table(table: Table) -> None:
    """Prints a table on standard error, except within ``quiet``."""
    if not _QUIET.get():
        Terminal(stderr=True).print(table)


@contextmanager
def progress(title: str, total: int, *, done: int = 0) -> Iterator[Advance]:
    """Shows count, elapsed time and remaining time on standard error during the block.

    On a terminal one line is redrawn; elsewhere a line is printed every few seconds, even
    without progress.

    Args:
        title: Description of the work.
        total: Total number of units.
        done: Units that were finished earlier.
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
    """The line of ``progress`` for items in workers, which also advances within an item.

    Args:
        title: Description of the work.
        units: Number of units of each item.
        done: Units of other items that were finished earlier.
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
    """Reports a worker's finished fraction of an item to ``item_progress``, if any."""
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
    """Records the progress of an item in the heartbeat of this process, without printing."""

    def __init__(self, total: int, done: int) -> None:
        self._total, self._done = total, done

    def __call__(self, units: int = 1, *, note: str = "") -> None:
        self._done += units
        HEARTBEAT.reach(_WITHIN * self._done / max(self._total, 1))


class _Lines:
    """Progress lines every few seconds, for output that is not a terminal."""

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
        """Keeps printing lines during the block, even without progress."""
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
