"""Lazy imports of optional libraries, which are installed by extras of robomtl."""

import importlib
from types import ModuleType

from robomtl.errors import MissingExtraError


def library(name: str, *, extra: str, need: str) -> ModuleType:
    """Imports the library of an extra.

    Args:
        name: Name of the library's module.
        extra: Extra of robomtl that installs the library.
        need: Beginning of the message, such as ``Viewing needs rerun``.

    Raises:
        MissingExtraError: If the import fails; the message names the extra.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(f"{need}: pip install 'robomtl[{extra}]'") from error
