"""Definitions of Gymnasium envs that are named by an id; see ``robomtl.definition``."""

from contextlib import suppress

import gymnasium
from gymnasium.envs.registration import load_env_creator

from robomtl.definition import definition, installed, listed


def of_id(name: str) -> str:
    """The id with its registered entry point and arguments; the id alone if unregistered.

    Code of installed packages is not hashed, as it has versions.
    """
    with suppress(ImportError, gymnasium.error.Error):
        spec = gymnasium.spec(name)
        return f"{name}: {_entry(spec.entry_point)}({listed((), spec.kwargs)})"
    return name


def _entry(entry: object) -> str:
    if isinstance(entry, str) and installed(entry.partition(":")[0]):
        return entry
    if not isinstance(entry, str):
        return definition(entry)
    return definition(load_env_creator(entry))
