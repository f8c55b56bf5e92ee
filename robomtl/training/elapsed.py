"""Files that record the duration of a training in its run directory."""

import time
from dataclasses import dataclass
from pathlib import Path

from robomtl.files.durable import write_json
from robomtl.files.untrusted import read_json

ELAPSED = "elapsed.json"
"""File of a run directory with the time of the steps up to the last checkpoint."""


@dataclass(frozen=True)
class _Kept:
    """Content of such a file."""

    seconds: float


class Elapsed:
    """Duration of a training's steps, those before an interruption included.

    Args:
        run: Run directory, which no other process writes into.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / ELAPSED
        self._before = _read(self._path) if self._path.exists() else 0.0
        self._begun = time.monotonic()

    def write(self) -> None:
        """Writes the duration so far, at a checkpoint."""
        seconds = self._before + time.monotonic() - self._begun
        write_json(self._path, {"seconds": seconds})


def elapsed_in(run: Path) -> float:
    """Duration of the steps up to the last checkpoint, over all trainings of a run [s].

    0 if no step was taken. Steps after the last checkpoint are repeated, and do not count.

    Raises:
        InputError: If a file with a duration is damaged.
    """
    return sum(map(_read, sorted(run.rglob(ELAPSED))))


def noted(path: Path, seconds: float) -> float:
    """Duration of a training [s], which the first call writes to a file.

    Args:
        path: The file.
        seconds: Duration that is written if the file does not exist yet [s].
    """
    if not path.exists():
        write_json(path, {"seconds": seconds})
    return _read(path)


def _read(path: Path) -> float:
    return read_json(path, _Kept).seconds
