"""The augmenter that the samples of a data set are drawn by."""

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
        ValueError: If the suite does not say which numbers of a state are positions, or
            if relabelling is requested and no task has a goal that can be relabelled.
    """
    if augmentation == Augmentation():
        return None
    given = demonstrations
    found = geometries(given.suite, given.suite_options, given.tasks)
    if augmentation.relabelling:
        _check_goals(found, str(given.suite), given.tasks)
    return Augmenter(
        augmentation,
        found,
        state=given.state.shape[1],
        action=given.action.shape[1],
        device=device,
        centre=_centre(found, given) if augmentation.rotation else None,
    )


def _centre(geometry: Sequence[Geometry], given: Demonstrations) -> Tensor:
    """The mean place of the hand in each task's demonstrations; (task, 2)."""
    task = np.repeat(given.episodes.task, given.episodes.length)
    places = [each.hand.positions[0] for each in geometry]
    means = [
        given.state[task == index, place : place + 2].mean(0)
        for index, place in enumerate(places)
    ]
    return torch.from_numpy(np.stack(means))


def _check_goals(found: Sequence[Geometry], name: str, tasks: Sequence[str]) -> None:
    if all(geometry.goal is None for geometry in found):
        raise InputError(
            f"relabelling needs goals in the state, and {name} hides them here; collect"
            " with goals observable, or leave relabelling at 0."
        )
    if all(geometry.achieved is None for geometry in found):
        raise InputError(
            f"relabelling needs a task whose goal is a place that something comes to;"
            f" {name} names no such thing for {', '.join(tasks)}. Leave it at 0."
        )
