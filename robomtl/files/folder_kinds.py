"""Recognises data sets, run directories and results by the files in a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from robomtl.errors import InputError

INFO = "meta/info.json"
"""File of a data set."""
POLICY = "policy.json"
"""File of a run directory with the card of its policy, written last."""
RUN = "run.json"
"""File of a run directory with the request of its training, written first."""
JOURNAL = "journal.jsonl"
"""File of a folder of results with what is finished of an evaluation or an experiment."""


def holding(folder: Path) -> str:
    """A clause on what a path leads to, such as ``is a data set``; empty if not known."""
    if not os.path.lexists(folder):
        return "does not exist"
    if not folder.exists():
        return "is a link that leads nowhere"
    if not folder.is_dir():
        return "is not a folder"
    if (folder / INFO).exists():
        return "is a data set"
    if (folder / POLICY).exists():
        return "is the run directory of a policy"
    if (folder / RUN).exists():
        return "is the run directory of a training that has not finished"
    if (folder / JOURNAL).exists():
        return "holds the results of an evaluation or an experiment"
    inside = next(_inside(folder), None)
    return "" if inside is None else f"holds other folders, such as {inside}"


def _inside(folder: Path) -> Iterator[Path]:
    """The run directories and data sets in a folder, and in those in it."""
    for name in (POLICY, INFO):
        for pattern in (f"*/{name}", f"*/*/{name}"):
            for path in sorted(folder.glob(pattern)):
                yield path.parents[len(Path(name).parts) - 1]


def check_no_data(folder: Path) -> None:
    """Refuses a data set as a folder for anything else.

    Raises:
        InputError: If it is one.
    """
    if (folder / INFO).exists():
        raise InputError(
            f"{folder} is a data set; give another folder for what is made now (--out)."
        )


def check_no_run(folder: Path) -> None:
    """Refuses the run directory of a policy, or a data set, as a folder for other results.

    Raises:
        InputError: If it is one.
    """
    check_no_data(folder)
    if (folder / RUN).exists():
        raise InputError(
            f"{folder} is the run directory of a policy, whose results would be"
            " overwritten; give another folder (--out)."
        )


def check_may_be_folder(path: Path) -> None:
    """Refuses a path for a new folder where a file, or a link that leads nowhere, is.

    Raises:
        InputError: If there is one at the path, or in place of a folder around it.
    """
    for each in (path, *path.parents):
        if os.path.isdir(each):
            return
        if os.path.lexists(each):
            raise InputError(
                f"{each} is a file, or a link that leads nowhere; give a folder (--out)."
            )
