"""What the id of a Gymnasium env stands for."""

from contextlib import suppress

import gymnasium
from gymnasium.envs.registration import load_env_creator

from robomtl.definition import definition, installed, listed


def of_id(name: str) -> str:
    """The id with what it is registered with; the id alone where it is not, or not yet.

    Envs of installed packages are named only; their code is theirs to version.
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
