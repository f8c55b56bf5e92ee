"""Modules of the user that are imported to register plug-ins, here and in workers."""

import importlib
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from robomtl.errors import InputError, PlugInError
from robomtl.plug_in import FULL, described

_IMPORTED: dict[str, str] = {}
"""By the name of a module, how it was given."""


def imported() -> tuple[str, ...]:
    """Names of the modules that were imported by ``import_modules``."""
    return tuple(_IMPORTED)


def import_flags() -> str:
    """The flags with which another command knows the modules, with a space before each."""
    return "".join(f" --import {shlex.quote(each)}" for each in _IMPORTED.values())


def import_modules(given: Iterable[str]) -> None:
    """Imports modules; workers that start later import them too.

    Args:
        given: Names of modules, found from the working directory as well, or paths of
            files that end in ``.py``.

    Raises:
        InputError: If there is no such module.
        PlugInError: If an import raises any exception.
    """
    for each in given:
        name = _place(each)
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # Modules of users raise anything.
            if isinstance(error, ModuleNotFoundError) and error.name == name:
                raise InputError(
                    f"There is no module '{name}' in {Path.cwd()} or on Python's path"
                    " (PYTHONPATH); give --import the name of a module or the path of a"
                    " .py file."
                ) from error
            raise PlugInError(
                f"The module '{name}' cannot be imported: {described(error)}. {FULL}"
            ) from error
        _IMPORTED.setdefault(name, each)


def _place(given: str) -> str:
    """The name of a module, after its folder was added to Python's path."""
    folder, name = Path.cwd(), given
    if given.endswith(".py"):
        path = Path(given).expanduser().absolute()
        if not path.exists():
            raise InputError(f"There is no file {path} to import.")
        folder, name = path.parent, path.stem
        known = sys.modules.get(name)
        if known is not None and Path(known.__file__ or "").absolute() != path:
            raise InputError(
                f"{path} cannot be imported: a module '{name}' is already imported, from"
                f" {known.__file__}; rename the file."
            )
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return name
