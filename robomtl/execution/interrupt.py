"""Ctrl-C where it does no harm, and SIGTERM as if it were Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | int | None


@dataclass(frozen=True, kw_only=True)
class Deferral:
    """Ctrl-C that waits until a loop is between two of its steps."""

    pressed: threading.Event = field(default_factory=threading.Event)
    """Set by Ctrl-C."""
    before: Handler = None
    """The previous handler of Ctrl-C; None outside the main thread."""

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """A block in which Ctrl-C interrupts at once, as without the deferral."""
        if self.before is None:
            yield
            return
        noting = signal.signal(signal.SIGINT, self.before)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, noting)


@contextmanager
def interrupting_terminate() -> Iterator[threading.Event]:
    """Lets SIGTERM do what Ctrl-C does, as batch systems send it; yields whether it came.

    Outside the main thread, which alone receives signals, and where SIGTERM has a handler
    already, nothing is changed.
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
        if not callable(handler):  # As where a shell lets its jobs ignore Ctrl-C.
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def keeping_terminate() -> Iterator[None]:
    """Puts the handler of SIGTERM back that the block replaces, as connecting to Ray does."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        main = threading.current_thread() is threading.main_thread()
        if main and before is not None:  # None: it was not set from Python.
            signal.signal(signal.SIGTERM, before)


@contextmanager
def deferred_interrupt() -> Iterator[Deferral]:
    """Lets Ctrl-C set an event, so that a loop can end between two of its steps.

    A second Ctrl-C breaks in at once. Outside the main thread, which alone receives
    signals, nothing is changed.
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
