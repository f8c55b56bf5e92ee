"""Libraries of extras, which are imported where they are needed."""

import importlib
from types import ModuleType

from robomtl.errors import MissingExtraError


def library(name: str, *, extra: str, need: str) -> ModuleType:
    """The library of an extra.

    Args:
        name: Name of its module.
        extra: The extra of robomtl that installs it.
        need: What needs it, the beginning of the message.

    Raises:
        MissingExtraError: If it cannot be imported; names the extra.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(f"{need}: pip install 'robomtl[{extra}]'") from error
