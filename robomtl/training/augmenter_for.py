"""Construction of the augmenter of a data set."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.geometry import Geometry, geometries
from robomtl.training.augmentation import Augmentation
from robomtl.training.augmenting import Augmenter


def augmenter_for(
    augmentation: Augmentation, demonstrations: Demonstrations, device: torch.device
) -> Augmenter | None:
    """The augmenter of some demonstrations; None if the augmentation changes nothing.

    Raises:
        ValueError: If the suite does not say which components of a state are positions, or
            if relabelling is requested and no task has a goal that can be relabelled.
    """
    if augmentation == Augmentation():
        return None
    data = demonstrations
    geometry = geometries(data.suite, data.suite_options, data.tasks)
    if augmentation.relabelling:
        _check_goals(geometry, str(data.suite), data.tasks)
    return Augmenter(
        augmentation,
        geometry,
        state=data.state.shape[1],
        action=data.action.shape[1],
        device=device,
        centre=_centre(geometry, data) if augmentation.rotation else None,
    )


def _centre(geometry: Sequence[Geometry], data: Demonstrations) -> Tensor:
    """Mean position of the hand in each task's demonstrations, x and y; (task, 2)."""
    task = np.repeat(data.episodes.task, data.episodes.length)
    starts = [each.hand.positions[0] for each in geometry]
    means = [
        data.state[task == index, start : start + 2].mean(0)
        for index, start in enumerate(starts)
    ]
    return torch.from_numpy(np.stack(means))


def _check_goals(geometry: Sequence[Geometry], name: str, tasks: Sequence[str]) -> None:
    if all(each.goal is None for each in geometry):
        raise InputError(
            f"relabelling needs goals in the state, and {name} hides them here; collect"
            " with goals observable, or leave relabelling at 0."
        )
    if all(each.achieved is None for each in geometry):
        raise InputError(
            f"relabelling needs a task whose goal is a position to reach, and {name} has"
            f" none among {', '.join(tasks)}; leave it at 0."
        )
