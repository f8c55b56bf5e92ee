"""Deferred handling of Ctrl-C, and SIGTERM handled like Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | int | None


@dataclass(frozen=True, kw_only=True)
class Deferral:
    """State of a deferred Ctrl-C, which a loop checks between two steps."""

    pressed: threading.Event = field(default_factory=threading.Event)
    """Event that Ctrl-C sets."""
    before: Handler = None
    """The previous handler of Ctrl-C; None outside the main thread."""

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Lets Ctrl-C interrupt at once during the block, as without the deferral."""
        if self.before is None:
            yield
            return
        deferring = signal.signal(signal.SIGINT, self.before)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, deferring)


@contextmanager
def interrupting_terminate() -> Iterator[threading.Event]:
    """Handles SIGTERM, which batch systems send, like Ctrl-C; yields an event that it sets.

    Nothing is changed outside the main thread, which alone receives signals, and where
    SIGTERM already has a handler.
    """
    came = threading.Event()
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield came
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.set()
        handler = signal.getsignal(signal.SIGINT)
        if not callable(handler):  # Shells may let background jobs ignore Ctrl-C.
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def keeping_terminate() -> Iterator[None]:
    """Restores the handler of SIGTERM after the block, as connecting to Ray replaces it."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        main = threading.current_thread() is threading.main_thread()
        if main and before is not None:  # None: the handler was not set from Python.
            signal.signal(signal.SIGTERM, before)


@contextmanager
def deferred_interrupt() -> Iterator[Deferral]:
    """Lets Ctrl-C set an event, so that a loop can end between two of its steps.

    A second Ctrl-C interrupts at once. Nothing is changed outside the main thread, which
    alone receives signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Deferral()
        return
    deferral = Deferral(before=signal.getsignal(signal.SIGINT))

    def note(number: int, frame: FrameType | None) -> None:
        if deferral.pressed.is_set():
            raise KeyboardInterrupt
        deferral.pressed.set()

    signal.signal(signal.SIGINT, note)
    try:
        yield deferral
    finally:
        signal.signal(signal.SIGINT, deferral.before)
