"""Imports of user modules that register plug-ins, in this process and in workers."""

import importlib
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from robomtl.errors import InputError, PlugInError
from robomtl.plug_in import FULL, described

_IMPORTED: dict[str, str] = {}
"""Imported modules: the user's spelling by module name."""


def imported() -> tuple[str, ...]:
    """Names of the modules imported by ``import_modules``."""
    return tuple(_IMPORTED)


def import_flags() -> str:
    """The --import flags of these modules for another command, each after a space."""
    return "".join(f" --import {shlex.quote(each)}" for each in _IMPORTED.values())


def import_modules(given: Iterable[str]) -> None:
    """Imports modules; workers that start later import them too.

    Args:
        given: Names of modules, which may lie in the working directory, or paths of
            ``.py`` files.

    Raises:
        InputError: If there is no such module.
        PlugInError: If an import raises an exception.
    """
    for each in given:
        name = _importable(each)
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


def _importable(given: str) -> str:
    """Adds the folder of a module to Python's path; returns the module's name."""
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
