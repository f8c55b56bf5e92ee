"""Division of episodes into those to train on and those held out for validation."""

import math

import numpy as np

from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError
from robomtl.training.config import TrainConfig


def check_held_out(data: Data, fraction: float) -> None:
    """Checks that some episodes of every task are held out for validation.

    Raises:
        InputError: If a task has none.
    """
    _, validation = split_episodes(data, fraction)
    validated = {
        int(index)
        for number, (each, held_out) in enumerate(
            zip(data.sets, validation, strict=True)
        )
        for index in data.task_indices(number)[each.episodes.task[held_out]]
    }
    missing = [task for i, task in enumerate(data.tasks) if i not in validated]
    if missing:
        raise InputError(
            f"sampling 'validation_loss' needs held-out episodes of every task, and there"
            f" are none of {', '.join(missing)}; raise validation, or collect more."
        )


def held_out_note(data: Data, config: TrainConfig) -> str:
    """A note if validation is requested and no episode is held out; else empty."""
    fraction = config.validation
    if not fraction or config.validate_every > config.steps:
        return ""
    if any(split_episodes(data, fraction)[1]):
        return ""
    most = max(int(np.bincount(each.episodes.task).max()) for each in data.sets)
    least = math.ceil(1000 / most) / 1000
    advice = f"Give {least} or more to hold out one." if most > 1 else "Collect more."
    return (
        f"validation is {fraction}, which holds out none of {most} episodes per task: no"
        f" validation loss is measured. {advice}"
    )


def split_episodes(
    data: Data, fraction: float
) -> tuple[list[list[int]], list[list[int]]]:
    """Indices of each data set's training and validation episodes.

    The last ``fraction`` of each task's episodes, rounded down, is held out.
    """
    training, validation = [], []
    for each in data.sets:
        kept, held_out = list[int](), list[int]()
        for index in range(len(each.tasks)):
            episodes = (each.episodes.task == index).nonzero()[0].tolist()
            count = len(episodes) - int(fraction * len(episodes))
            kept += episodes[:count]
            held_out += episodes[count:]
        training.append(kept)
        validation.append(held_out)
    return training, validation
