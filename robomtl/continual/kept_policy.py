"""A policy that a stage makes beside its training, kept with the settings it was made by."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from robomtl import checkpoint
from robomtl.checkpoint import TrainedPolicy
from robomtl.files.folder_kinds import POLICY
from robomtl.files.lock import locked
from robomtl.files.request import claim

SETTINGS = "made_by.json"
"""File with the settings; folders of earlier versions lack it, and are taken as they are."""


def kept_policy(
    folder: Path, settings: Mapping[str, Any], make: Callable[[], TrainedPolicy]
) -> TrainedPolicy:
    """The policy of a folder, which is made and saved first unless it is finished.

    Args:
        folder: Its run directory; made if missing.
        settings: Everything that decides the policy.
        make: Makes it.

    Raises:
        InputError: If a policy of other settings is finished there.
    """
    with locked(folder):
        policy, path = folder / POLICY, folder / SETTINGS
        claim(path, settings, finished=[policy] if path.exists() else ())
        if not policy.exists():
            made = make()
            checkpoint.save(folder, made.policy, made.card)
    return checkpoint.load(folder)
