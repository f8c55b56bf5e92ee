"""Recognises data sets, run directories and results by the files in a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from robomtl.errors import InputError

INFO = "meta/info.json"
"""File that marks a folder as a data set."""
POLICY = "policy.json"
"""File with the policy's card in a run directory; written last."""
RUN = "run.json"
"""File with the training request in a run directory; written first."""
JOURNAL = "journal.jsonl"
"""File with the finished work of an evaluation or experiment in a results folder."""


def holding(folder: Path) -> str:
    """A predicate about a path, such as ``is a data set``; empty for an unknown folder."""
    if not os.path.lexists(folder):
        return "does not exist"
    if not folder.exists():
        return "is a broken link"
    if not folder.is_dir():
        return "is not a folder"
    if (folder / INFO).exists():
        return "is a data set"
    if (folder / POLICY).exists():
        return "is the run directory of a policy"
    if (folder / RUN).exists():
        return "is the run directory of unfinished training"
    if (folder / JOURNAL).exists():
        return "contains the results of an evaluation or an experiment"
    inside = next(_inside(folder), None)
    return "" if inside is None else f"contains other folders, such as {inside}"


def _inside(folder: Path) -> Iterator[Path]:
    """The run directories and data sets one or two levels below a folder."""
    for name in (POLICY, INFO):
        for pattern in (f"*/{name}", f"*/*/{name}"):
            for path in sorted(folder.glob(pattern)):
                yield path.parents[len(Path(name).parts) - 1]


def check_no_data(folder: Path) -> None:
    """Refuses a data set as the folder of other output.

    Raises:
        InputError: If the folder is a data set.
    """
    if (folder / INFO).exists():
        raise InputError(
            f"{folder} is a data set; give another folder for the new output (--out)."
        )


def check_no_run(folder: Path) -> None:
    """Refuses the run directory of a policy, or a data set, as the folder of other output.

    Raises:
        InputError: If the folder is one of these.
    """
    check_no_data(folder)
    if (folder / RUN).exists():
        raise InputError(
            f"{folder} is the run directory of a policy, whose results would be"
            " overwritten; give another folder (--out)."
        )


def check_may_be_folder(path: Path) -> None:
    """Refuses a path at which no folder can be created.

    Raises:
        InputError: If the path or a parent of it is a file or a broken link.
    """
    for each in (path, *path.parents):
        if os.path.isdir(each):
            return
        if os.path.lexists(each):
            raise InputError(
                f"{each} is a file or a broken link; give a folder (--out)."
            )
