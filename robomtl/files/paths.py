"""Paths that a user gives, made absolute."""

import os
import shlex
from pathlib import Path

from robomtl.errors import InputError


def expanded(path: Path | str) -> Path:
    """The path, with ``~`` replaced by the home folder.

    Raises:
        InputError: If it begins with the ``~`` of an unknown user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{path} names the home folder of an unknown user. Write the path out, or"
            f" ./{path} for a folder of that name."
        ) from error


def located(path: Path | str) -> Path:
    """The absolute path, with ``~`` expanded, since the working directory may change.

    Libraries that accept URIs, such as ``file:x``, never interpret an absolute path as one.

    Raises:
        InputError: If the path begins with the ``~`` of an unknown user, or is relative
            to a working directory that was removed.
    """
    whole = expanded(path)
    if not whole.is_absolute():
        check_working_directory()
    return whole.absolute()


def as_word(path: Path) -> str:
    """The path as a word of a command line: quoted, and never read as a flag."""
    written = str(path)
    return shlex.quote(f"./{written}" if written.startswith("-") else written)


def check_working_directory() -> None:
    """Refuses a working directory that was removed.

    Raises:
        InputError: If the working directory does not exist.
    """
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise InputError(
            "The working directory was removed; change to one that exists (cd)."
        ) from error
