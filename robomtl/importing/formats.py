"""Which format a data set is in."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from robomtl.demonstrations import layout
from robomtl.errors import InputError
from robomtl.importing.lerobot import LeRobot
from robomtl.importing.minari import METADATA, Minari, data_folder
from robomtl.importing.robomimic import Robomimic, files_in
from robomtl.importing.source import Source

Format = Literal["auto", "lerobot", "robomimic", "minari"]
"""Formats that are imported; ``auto`` finds out by the files that are there."""


def open_source(path: Path, kind: Format, filter_key: str | None) -> Source:
    """A data set in one of the formats.

    Args:
        path: Its file or folder.
        kind: The format.
        filter_key: Subset of a robomimic file; None for all episodes.

    Raises:
        InputError: If nothing is there, the format is unknown, or the data set is damaged.
        MissingExtraError: If h5py is needed and missing.
    """
    if not path.exists():
        raise InputError(
            f"{path} does not exist; give the file or folder of a data set. Download one"
            " of a hub first: hf download --repo-type dataset OWNER/NAME --local-dir DIR."
        )
    found = _found(path) if kind == "auto" else kind
    if filter_key is not None and found != "robomimic":
        raise InputError(
            f"filter_key is {filter_key!r}, and {path} is of the format {found}; robomimic"
            " files alone have filter keys."
        )
    openers: dict[str, Callable[[], Source]] = {
        "lerobot": lambda: LeRobot(path),
        "minari": lambda: Minari(path),
        "robomimic": lambda: Robomimic(path, filter_key),
    }
    return openers[found]()


def _found(path: Path) -> str:
    """The format, by the files that are there."""
    if (path / layout.INFO).exists():
        return "lerobot"
    if (data_folder(path) / METADATA).exists():
        return "minari"
    if path.is_file() or files_in(path):
        return "robomimic"
    raise InputError(
        f"{path} is in no format that is known. Looked for {layout.INFO} (LeRobot),"
        f" {METADATA}, here or in data/ (Minari), and an HDF5 file, or a folder of *.hdf5"
        " (robomimic, LIBERO)."
    )
