"""Stores finished units of a collection on disk until the data set is written."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from robomtl.demonstrations.blocks import Block
from robomtl.errors import InputError
from robomtl.files.durable import discard_partial, replacing, sync_folder
from robomtl.files.folder_kinds import check_may_be_folder
from robomtl.files.lock import locked
from robomtl.files.npz import read_arrays
from robomtl.files.request import check_not_removed, claim

_PLAN = "plan.json"

STAGING = ".collecting"
"""Folder of the units, inside that of the data set while it is being collected."""


class Plan(Protocol):
    """Settings that determine the content of the units."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in the order of the data set."""
        ...

    def plain(self) -> dict[str, Any]:
        """The plan as JSON types."""
        ...


class Staging:
    """The finished units of one request, and the data set until it is complete.

    Args:
        out: Folder of the data set.
        request: Settings that determine the data set.
    """

    def __init__(self, out: Path, request: Plan) -> None:
        self.out = out
        self._request = request
        self._folder = out / STAGING

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Locks the folder, so that no other process collects into it.

        Raises:
            InputError: If another process collects into the folder, it was begun for
                another request, or it contains something else.
        """
        check_may_be_folder(self.out)
        if not self._folder.exists() and self.out.exists() and any(self.out.iterdir()):
            raise InputError(
                f"{self.out} is not empty and not a data set; give a new folder."
            )
        with locked(self._folder):
            discard_partial(self.out)  # A partial report beside the data set.
            plan, units = self._folder / _PLAN, self._folder.glob("task-*/*.npz")
            claim(plan, self._request.plain(), finished=units)
            yield

    def save(self, task: str, start: int, block: Block) -> None:
        """Stores the result of a unit, durably.

        Args:
            task: Name of the unit's task.
            start: Index of its first variation.
            block: Its result.
        """
        check_not_removed(self._folder / _PLAN)
        with replacing(self._path(task, start)) as temporary:
            with temporary.open("wb") as file:
                arrays: dict[str, Any] = block.arrays()
                images = any(each.ndim == 4 for each in arrays.values())
                save = np.savez_compressed if images else np.savez
                save(file, **arrays)

    def contains(self, task: str, start: int) -> bool:
        """Whether the unit that begins at ``start`` is finished."""
        return self._path(task, start).exists()

    def load(self, task: str, start: int) -> Block:
        """The result of a finished unit.

        Raises:
            InputError: If the file is damaged.
        """
        path = self._path(task, start)
        try:
            arrays = read_arrays(path)
        except InputError as error:
            raise InputError(f"{error} Delete it and collect again.") from error
        try:
            return Block.of(arrays)
        except InputError as error:
            raise InputError(
                f"{path} is damaged: {error}. Delete it and collect again."
            ) from error

    def fresh_folder(self) -> Path:
        """An empty folder in which to write the data set."""
        folder = self._folder / "dataset"
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    def publish(self) -> None:
        """Moves the written data set into its folder; its ``meta`` folder comes last.

        Interrupted at any point, this leaves either no ``meta`` folder or a complete data
        set.
        """
        written = self._folder / "dataset"
        for name in ("videos", "data", "meta"):
            shutil.rmtree(self.out / name, ignore_errors=True)
            if (written / name).exists():
                (written / name).rename(self.out / name)
                sync_folder(self.out)  # Or a power cut could leave ``meta`` only.
        self.remove()

    def remove(self) -> None:
        """Removes the stored units, which a complete data set does not need."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, task: str, start: int) -> Path:
        index = self._request.tasks.index(task)
        return self._folder / f"task-{index:03d}" / f"from-{start:07d}.npz"
