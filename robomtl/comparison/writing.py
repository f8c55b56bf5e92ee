"""The files of a comparison."""

from pathlib import Path
from typing import Any

from robomtl.durable import write_json, write_text
from robomtl.request import plain

COMPARISON = "comparison.json"
PAGE = "comparison.html"


def write_comparison(folder: Path, kind: str, found: Any, page: str) -> None:
    """Writes what a comparison found, each file whole or not at all.

    Args:
        folder: Made if missing.
        kind: ``paired``, ``seeds`` or ``sequential``.
        found: A dataclass, for ``comparison.json``.
        page: For ``comparison.html``.
    """
    write_json(folder / COMPARISON, {"format": 1, "kind": kind, **plain(found)})
    write_text(folder / PAGE, page)
