"""Detects the format of a data set of another tool, and opens it."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from robomtl.demonstrations import layout
from robomtl.errors import InputError
from robomtl.files.folder_kinds import holding
from robomtl.importing.lerobot import LeRobot
from robomtl.importing.minari import METADATA, Minari, data_folder
from robomtl.importing.robomimic import Robomimic, files_in
from robomtl.importing.source import Source

Format = Literal["auto", "lerobot", "robomimic", "minari"]
"""Formats that are imported; ``auto`` detects the format from the files."""


def open_source(path: Path, kind: Format, filter_key: str | None) -> Source:
    """Opens a data set of another tool.

    Args:
        path: File or folder of the data set.
        kind: Format of the data set.
        filter_key: Subset of a robomimic file; None for all episodes.

    Raises:
        InputError: If the path does not exist, the format is unknown, the data set is
            damaged, or a filter key is given for another format than robomimic.
        MissingExtraError: If h5py is needed and missing.
    """
    if not path.exists():
        raise InputError(
            f"{path} does not exist; give the file or folder of a data set. To use one of a"
            " hub, download it: hf download --repo-type dataset OWNER/NAME --local-dir DIR."
        )
    format_ = _detected(path) if kind == "auto" else kind
    if filter_key is not None and format_ != "robomimic":
        raise InputError(
            f"filter_key is {filter_key!r}, and {path} is of the format {format_}; only"
            " robomimic files have filter keys."
        )
    openers: dict[str, Callable[[], Source]] = {
        "lerobot": lambda: LeRobot(path),
        "minari": lambda: Minari(path),
        "robomimic": lambda: Robomimic(path, filter_key),
    }
    return openers[format_]()


def _detected(path: Path) -> str:
    """The format of a data set, detected from its files.

    Raises:
        InputError: If it is in no known format.
    """
    if (path / layout.INFO).exists():
        return "lerobot"
    if (data_folder(path) / METADATA).exists():
        return "minari"
    if path.is_file() or files_in(path):
        return "robomimic"
    held = holding(path)  # Such as several data sets.
    raise InputError(
        f"{path} is in no known format{' and ' * bool(held)}{held}. Looked for {layout.INFO} (LeRobot),"
        f" {METADATA}, here or in data/ (Minari), and an HDF5 file, or a folder of *.hdf5"
        " (robomimic, LIBERO)."
    )
