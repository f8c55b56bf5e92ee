"""Checks that tasks fit into one data set: lengths of vectors, images, and the frame rate."""

from math import prod
from typing import Any

import gymnasium
import numpy as np

from robomtl.demonstrations.collection_request import Request
from robomtl.demonstrations.layout import Sizes, Video
from robomtl.env_contract import frames_per_second
from robomtl.errors import InputError
from robomtl.features import robot_of
from robomtl.plug_in import inspection_env
from robomtl.task import Suite, envs_may_differ

_WORDS = (
    "states of length {}",
    "actions of length {}",
    "{} steps per second",
    "the further features {}",
)
"""Words for the fields of ``Sizes``."""
_FEATURES = (np.dtype(np.float32), 1), (np.dtype(np.uint8), 3)


def check_compatible_tasks(suite: Suite, request: Request) -> None:
    """Checks that the requested tasks fit into one data set, if envs may differ.

    Raises:
        InputError: If the sizes of two tasks differ, see ``refuse_different_sizes``, or their
            embodiments.
    """
    if not envs_may_differ(suite) or len(request.tasks) < 2:
        return
    first, *others = request.tasks
    expected = _sizes(suite, first)
    for task in others:
        refuse_different_sizes(task, _sizes(suite, task), first, expected)
        robot, first_robot = robot_of(suite, task), robot_of(suite, first)
        if robot != first_robot:
            raise InputError(
                f"'{task}' is of the embodiment '{robot}', '{first}' of '{first_robot}'; a data"
                " set has one embodiment. Collect them into different folders."
            )


def check_has_images(suite: Suite, request: Request, video: Video | None) -> None:
    """Refuses an encoding of images in a suite that observes none.

    Raises:
        InputError: If ``video`` is given, and the first task observes no images.
    """
    if video is None:
        return
    if not any(len(shape) == 3 for _, shape in _sizes(suite, request.tasks[0]).others):
        raise InputError(
            f"video is '{video}', but {suite.name} with the options {dict(suite.options)}"
            " observes no images; name its cameras, or the size of its images (--cameras,"
            " --images), or leave video out."
        )


def refuse_different_sizes(task: str, sizes: Sizes, other: str, others: Sizes) -> None:
    """Refuses two tasks whose sizes differ, which cannot be in one data set.

    Args:
        task: Name of a task.
        sizes: Sizes of that task.
        other: Name of the other task.
        others: Sizes of the other task.

    Raises:
        InputError: If the sizes differ; the message names the difference.
    """
    shown = [(*each[:3], dict(each.others)) for each in (sizes, others)]
    for words, size, other_size in zip(_WORDS, *shown, strict=True):
        if size != other_size:
            raise InputError(
                f"'{task}' has {words.format(size)}, '{other}' {words.format(other_size)}; all"
                " tasks of a data set have the same. Collect them into different folders."
            )


def _sizes(suite: Suite, task: str) -> Sizes:
    with inspection_env(suite, task) as env:
        observed: Any = env.observation_space
        state, action = observed["state"].shape, env.action_space.shape or ()
        others = tuple((n, observed[n].shape) for n in further_features(observed))
        return Sizes(prod(state), prod(action), frames_per_second(env), others)


def further_features(observed: gymnasium.spaces.Dict) -> list[str]:
    """Names of the recorded observation features besides the state, sorted.

    These are float32 vectors and uint8 images; other features are not recorded.
    """
    return sorted(
        name
        for name, space in observed.spaces.items()
        if name != "state" and (space.dtype, len(space.shape or ())) in _FEATURES
    )
