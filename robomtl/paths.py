"""Where files lie that a user names."""

import os
from pathlib import Path

from robomtl.errors import InputError


def expanded(path: Path | str) -> Path:
    """The path, with ``~`` as a home folder.

    Raises:
        InputError: If it begins with the ``~`` of nobody.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{path} names a home folder that is not known here. Write the path out;"
            f" ./{path} is a folder of that name here."
        ) from error


def located(path: Path | str) -> Path:
    """The full path, with ``~`` as a home folder: the working directory may change.

    A full path is also what no library takes for an address, as it would ``file:x``.

    Raises:
        InputError: If the path begins with the ``~`` of nobody, or is relative to a
            working directory that was removed.
    """
    whole = expanded(path)
    if not whole.is_absolute():
        check_working_directory()
    return whole.absolute()


def check_working_directory() -> None:
    """Makes sure that the working directory is still there.

    Raises:
        InputError: If it was removed.
    """
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise InputError(
            "The working directory was removed; change to one that is there, by cd."
        ) from error
