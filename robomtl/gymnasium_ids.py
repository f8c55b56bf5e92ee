"""Definitions of Gymnasium envs that are given by an id; see ``robomtl.definition``."""

from contextlib import suppress
from functools import partial
from typing import Any

import gymnasium
from gymnasium.envs.registration import load_env_creator

from robomtl.definition import definition, installed, listed
from robomtl.gymnasium_make import MakeEnv, parted


def of_maker(make: MakeEnv) -> str:
    """The definition of an env's id or function.

    The definition of an id contains its registered entry point and arguments, or the id
    alone if it is unregistered. Code of installed packages is not hashed, as its version
    is recorded.
    """
    maker, arguments = parted(make)
    if not isinstance(maker, str):
        return definition(partial(maker, **arguments) if arguments else maker)
    with suppress(ImportError, gymnasium.error.Error):
        spec = gymnasium.spec(maker)
        given: dict[str, Any] = {**spec.kwargs, **arguments}
        return f"{maker}: {_entry(spec.entry_point)}({listed((), given)})"
    return f"{maker}({listed((), arguments)})" if arguments else maker


def module_of(make: MakeEnv) -> str:
    """The module whose code makes an env; empty for an unregistered id."""
    maker, _ = parted(make)
    entry: object = maker
    if isinstance(maker, str):
        try:
            entry = gymnasium.spec(maker).entry_point
        except (ImportError, gymnasium.error.Error):
            return ""
    if isinstance(entry, str):
        return entry.partition(":")[0]
    return str(getattr(entry, "__module__", ""))


def _entry(entry: object) -> str:
    if isinstance(entry, str) and installed(entry.partition(":")[0]):
        return entry
    if not isinstance(entry, str):
        return definition(entry)
    return definition(load_env_creator(entry))
