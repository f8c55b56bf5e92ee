"""Videos of trials for a page: embedded up to a budget, linked beyond it."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from robomtl.pages.trial_cells import Clip
from robomtl.task import Trial

EMBEDDED_BYTES = 40_000_000
"""Largest total size of the video files that are embedded in a page [bytes]. Base64 adds a
third, which phones can still open."""


def clips(
    videos: Mapping[Trial, Path], folder: Path, *, budget: int = EMBEDDED_BYTES
) -> dict[Trial, Clip]:
    """Clips of videos for a page, by trial.

    Args:
        videos: Path of each trial's video, in the order in which they are embedded.
        folder: Folder of the page.
        budget: Total size of the embedded files [bytes]; others are linked.

    Raises:
        FileNotFoundError: If a file is missing.
    """
    by_trial = {}
    for trial, path in videos.items():
        size = path.stat().st_size
        data = None
        if size <= budget:
            budget -= size
            data = base64.b64encode(path.read_bytes()).decode()
        by_trial[trial] = Clip(_link(path, folder), data)
    return by_trial


def _link(path: Path, folder: Path) -> str:
    relative = os.path.relpath(path.resolve(), folder.resolve())
    return quote(Path(relative).as_posix())
