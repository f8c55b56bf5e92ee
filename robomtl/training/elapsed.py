"""Files that keep how long a training took, beside what it made."""

import time
from dataclasses import dataclass
from pathlib import Path

from robomtl.files.durable import write_json
from robomtl.files.untrusted import read_json

ELAPSED = "elapsed.json"
"""File of a run directory with the time of the steps up to the last checkpoint."""


@dataclass(frozen=True)
class _Kept:
    """The content of such a file."""

    seconds: float


class Elapsed:
    """The time of a training's steps, those before a stop included.

    Args:
        run: Run directory, which no other process writes into.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / ELAPSED
        self._before = _read(self._path) if self._path.exists() else 0.0
        self._begun = time.monotonic()

    def write(self) -> None:
        """Keeps the time so far, at a checkpoint."""
        seconds = self._before + time.monotonic() - self._begun
        write_json(self._path, {"seconds": seconds})


def elapsed_in(run: Path) -> float:
    """How long the steps took that the trainings in a run directory go on from [s].

    It is 0 where none were taken. Steps after the last checkpoint are taken again, and do
    not count.

    Raises:
        InputError: If a file that says so is damaged.
    """
    return sum(map(_read, sorted(run.rglob(ELAPSED))))


def noted(path: Path, seconds: float) -> float:
    """How long a training took [s], which a file keeps from the first call on.

    Args:
        path: The file.
        seconds: Time that is written if the file does not exist yet [s].
    """
    if not path.exists():
        write_json(path, {"seconds": seconds})
    return _read(path)


def _read(path: Path) -> float:
    return read_json(path, _Kept).seconds
