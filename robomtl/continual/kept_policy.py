"""Policies that a stage makes after its training, saved with their settings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from robomtl import checkpoint
from robomtl.checkpoint import TrainedPolicy
from robomtl.files.folder_kinds import POLICY
from robomtl.files.lock import locked
from robomtl.files.request import claim

SETTINGS = "made_by.json"
"""File with the settings; folders of earlier versions lack it, and are not checked."""


def kept_policy(
    folder: Path, settings: Mapping[str, Any], make: Callable[[], TrainedPolicy]
) -> TrainedPolicy:
    """The policy in a folder, which is made and saved first if the folder has none.

    Args:
        folder: Run directory of the policy; made if missing.
        settings: All that determines the policy.
        make: Makes the policy.

    Raises:
        InputError: If the folder has a policy made with other settings.
    """
    with locked(folder):
        policy, path = folder / POLICY, folder / SETTINGS
        claim(path, settings, finished=[policy] if path.exists() else ())
        if not policy.exists():
            made = make()
            checkpoint.save(folder, made.policy, made.card)
    return checkpoint.load(folder)
