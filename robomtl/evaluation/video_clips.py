"""Videos of trials for a page: inside it up to a budget, beside it beyond."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from robomtl.pages.trial_cells import Clip
from robomtl.task import Trial

EMBEDDED_BYTES = 40_000_000
"""Of video files in one page. In base64 they take a third more, which a phone still
opens."""


def clips(
    videos: Mapping[Trial, Path], folder: Path, *, budget: int = EMBEDDED_BYTES
) -> dict[Trial, Clip]:
    """The videos as a page shows them.

    Args:
        videos: The file of each trial, in the order in which they are embedded.
        folder: Where the page will be.
        budget: Bytes of files that the page may hold; what does not fit is linked.

    Raises:
        FileNotFoundError: If a file is missing.
    """
    found = {}
    for trial, path in videos.items():
        size = path.stat().st_size
        data = None
        if size <= budget:
            budget -= size
            data = base64.b64encode(path.read_bytes()).decode()
        found[trial] = Clip(_link(path, folder), data)
    return found


def _link(path: Path, folder: Path) -> str:
    relative = os.path.relpath(path.resolve(), folder.resolve())
    return quote(Path(relative).as_posix())
