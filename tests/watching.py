"""Records file writes and memory use of this process."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FIRST = {"os.mkdir", "os.remove", "os.rmdir", "os.chmod"}
_BOTH = {"os.rename", "os.link", "os.symlink"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Watch:
    """Records the paths outside some folders that this process writes, by audit events.

    An audit hook cannot be removed again, so it does nothing outside ``watching``. What a C
    library writes by itself has no event.

    Args:
        allowed: The folders.
    """

    def __init__(self, *allowed: Path) -> None:
        self._allowed = ["/dev/", *(f"{os.path.realpath(each)}/" for each in allowed)]
        self._on = False
        self.strays: list[str] = []
        """Paths written outside the folders in the last block."""
        sys.addaudithook(self._hear)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watches during the block."""
        self.strays, self._on = [], True
        try:
            yield
        finally:
            self._on = False

    def _hear(self, event: str, given: tuple[object, ...]) -> None:
        if not self._on:
            return
        if event == "open" and isinstance(given[2], int) and given[2] & _WRITES:
            self._note(event, given[0], -1)
        elif event == "os.truncate":
            self._note(event, given[0], -1)
        elif event in _FIRST:
            self._note(event, given[0], given[-1])
        elif event in _BOTH:
            self._note(event, given[1], given[-1])

    def _note(self, event: str, path: object, folder: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # A descriptor, whose file was seen as it was opened.
        at = (
            f"/proc/self/fd/{folder}" if isinstance(folder, int) and folder >= 0 else ""
        )
        outer, name = os.path.split(os.path.join(at, os.fsdecode(path)))
        where = os.path.join(os.path.realpath(outer), name)
        if not any(f"{where}/".startswith(each) for each in self._allowed):
            self.strays.append(f"{event} {where}")


def peak_memory() -> int:
    """Peak resident memory of this process [bytes]."""
    return _status("VmHWM")


def address_space() -> int:
    """The size of this process's address space [bytes]."""
    return _status("VmSize")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise AssertionError(name)
