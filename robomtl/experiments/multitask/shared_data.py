"""The demonstrations of a multi-task experiment: the same files for every arm, hashed."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from robomtl.demonstrations.mixture import Data, Mixture
from robomtl.errors import InputError
from robomtl.experiments.multitask.arm_cells import ArmCell

Hashes = Mapping[int, Mapping[str, str]]
"""sha256 of the demonstrations' contents, by number of demonstrations and task."""


def hashes(data: Data, amounts: Mapping[int, Mapping[str, int]]) -> Hashes:
    """The hashes of the first demonstrations of each task.

    Args:
        data: Recorded demonstrations.
        amounts: Number of demonstrations by task, for each number of demonstrations that
            is compared.
    """
    return {
        count: {
            task: data.select([task], amount).fingerprint
            for task, amount in tasks.items()
        }
        for count, tasks in amounts.items()
    }


def check_same(arm: str, folder: Path, hashes: Hashes, expected: Hashes) -> None:
    """Checks that an arm reads the same demonstrations as the others.

    Args:
        arm: Label of the arm.
        folder: Folder of its demonstrations.
        hashes: Hashes of its demonstrations.
        expected: Hashes of the others' demonstrations.

    Raises:
        InputError: If the demonstrations of a task differ.
    """
    for count, tasks in hashes.items():
        for task, digest in tasks.items():
            if digest != expected[count][task]:
                raise InputError(
                    f"The arm {arm} reads other demonstrations of {task} than the others:"
                    f" sha256 of the first {count} in {folder} is {digest[:12]}, not"
                    f" {expected[count][task][:12]}. Arms are compared on the same files;"
                    " give the arm those, or start again in another folder."
                )


def read(
    data: Data, amounts: Mapping[str, int], cell: ArmCell, expected: Hashes
) -> Data:
    """Demonstrations that a cell learns from: the first ones of its tasks.

    All tasks of a single data set keep their index, so that the task embedding of a
    single-task policy is as long as that of a policy of all tasks. Data sets of a mixture
    that have none of the tasks are left out.

    Args:
        data: Recorded demonstrations.
        amounts: Demonstrations of each task of the experiment, by its name.
        cell: Cell whose tasks are learned.
        expected: Hashes of the demonstrations that all cells read.

    Raises:
        ValueError: If the demonstrations have changed.
    """
    own = {task: amounts[task] for task in cell.tasks}
    found = hashes(data, {cell.demonstrations: own})
    check_same(cell.arm, data.path, found, expected)
    if isinstance(data, Mixture):
        return data.select(cell.tasks, own)
    chosen = data.select([*amounts], amounts)
    learned = [chosen.tasks.index(task) for task in cell.tasks]
    episodes = np.flatnonzero(np.isin(chosen.episodes.task, learned))
    return chosen.take(episodes.tolist())
