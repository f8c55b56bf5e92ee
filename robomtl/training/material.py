"""Preparation of a data set for training: a policy's sizes, frames and instructions."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from robomtl.alignment import Alignment
from robomtl.conditioning import Conditioning, InstructionEmbeddings
from robomtl.conditioning.characters import LENGTH
from robomtl.demonstrations import Demonstrations
from robomtl.demonstrations.layout import ACTION, STATE
from robomtl.demonstrations.mixture import Data, observed_by_choice
from robomtl.errors import InputError
from robomtl.execution.machine import device_of
from robomtl.features import Embodiment
from robomtl.layers.observer import check_vision
from robomtl.policy import Spec
from robomtl.suites import suite
from robomtl.task import find_task
from robomtl.training.augmentation import Augmentation
from robomtl.training.augmenter_for import augmenter_for
from robomtl.training.augmenting import Augmenter
from robomtl.training.config import TrainConfig
from robomtl.training.data_robots import distinct_robots, shared_action
from robomtl.training.held_out import split_episodes
from robomtl.training.mixed import mixed_frames
from robomtl.training.objective import Material


def spec_for(
    data: Data, conditioning: Conditioning, config: TrainConfig | None = None
) -> Spec:
    """The observations, actions and sizes of a policy for these demonstrations.

    Args:
        data: The demonstrations.
        conditioning: Conditioning of the policy.
        config: Settings of the run; the defaults if None.

    Raises:
        InputError: If a feature that the policy is to read was not recorded, or its
            conditioning reads one that it does not.
    """
    config = config or TrainConfig()
    features = config.features or observed_by_choice(data)
    robots = distinct_robots(data)
    if config.alignment == "end_effector":
        alignment = shared_action(data)
    else:
        alignment = None
    return spec_of(robots, features, conditioning, config, alignment=alignment)


def spec_of(
    robots: Sequence[Embodiment],
    features: Sequence[str],
    conditioning: Conditioning,
    config: TrainConfig,
    *,
    alignment: Alignment | None = None,
) -> Spec:
    """The observations, actions and sizes of a policy for these robots.

    Args:
        robots: Robots with all of their features.
        features: Names of the features that the policy reads; all if empty.
        conditioning: Conditioning of the policy.
        config: Settings of the run.
        alignment: Action space shared by the robots; None if each has its own.

    Raises:
        InputError: If a robot has none of the features, the conditioning reads a feature
            that the policy does not, or the image encoder cannot read the images.
    """
    if "goal" in conditioning.kinds and "state" not in (features or ("state",)):
        raise InputError(
            "Conditioning on the goal reads the goal from 'state'; features are"
            f" {', '.join(features)}. Condition on language or one_hot, or add state."
        )
    if features:
        robots = [each.observing(features) for each in robots]
    made = partial(
        Spec,
        embedding=conditioning.size,
        tasks=len(conditioning.tasks),
        history=config.history or 1,
        vision=config.vision,
        text=LENGTH if conditioning.in_characters else 0,
        goal_image="goal_image" in conditioning.kinds,
        alignment=alignment,
    )
    first = robots[0]
    if len(robots) > 1 or list(first.observation) != ["state"]:
        spec = made(embodiments=tuple(robots))
    else:
        spec = made(state=first.states["state"], action=first.action.size)
    check_vision(spec)
    return spec


def materials(
    data: Data,
    conditioning: Conditioning,
    config: TrainConfig,
    *,
    chunk: int,
    history: int = 1,
    alignment: Alignment | None = None,
) -> tuple[Material, Material]:
    """Materials of training and of validation, which has the last episodes of each task.

    Args:
        data: The demonstrations.
        conditioning: Conditioning of the policy.
        config: Settings of the run.
        chunk: Actions in a sample.
        history: Observations in a sample.
        alignment: Action space shared by the robots; None if each has its own.

    Raises:
        InputError: If augmentation is requested for several data sets, features beside the
            state, or a history.
    """
    device = device_of(config.device)
    wordings = InstructionEmbeddings(
        conditioning, instructions(data), config.instruction_augmentation
    ).to(device)
    augmenter = _augmenter(data, config.augmentation, device, history)
    training, validation = (
        Material(
            frames=replace(
                mixed_frames(data, part, device, alignment=alignment), history=history
            ),
            wordings=wordings,
            conditioning=conditioning,
            chunk=chunk,
            weights=data.weights,
        )
        for part in split_episodes(data, config.validation)
    )
    if augmenter is not None:
        prepared = augmenter.prepared(training.frames)
        training = replace(training, frames=prepared, augmenter=augmenter)
    return training, validation


def _augmenter(
    data: Data, augmentation: Augmentation, device: torch.device, history: int
) -> Augmenter | None:
    if augmentation == Augmentation():
        return None
    if history > 1:
        raise InputError(
            f"augmentation transforms single observations, and history is {history}; leave"
            " one of them out."
        )
    further = [n for n in data.sets[0].columns if n not in (STATE, ACTION)]
    if further:
        raise InputError(
            f"augmentation transforms states and actions, and not {', '.join(further)};"
            " leave it out, or observe the state alone."
        )
    first, *others = data.sets
    if others:
        raise InputError(
            "augmentation transforms samples of a single data set, and there are"
            f" {len(data.sets)}; leave it out, or give one data set."
        )
    return augmenter_for(augmentation, first, device)


def instructions(data: Data) -> list[tuple[str, ...]]:
    """Training instructions of each task; the data set's own if it names no suite."""
    found: dict[int, tuple[str, ...]] = {}
    for number, each in enumerate(data.sets):
        for index, words in zip(
            data.task_indices(number), _wordings(each), strict=True
        ):
            found.setdefault(int(index), words)
    return [found[index] for index in range(len(data.tasks))]


def _wordings(demonstrations: Demonstrations) -> list[tuple[str, ...]]:
    if demonstrations.suite is None:
        return [(demonstrations.instructions[task],) for task in demonstrations.tasks]
    made = suite(demonstrations.suite, **demonstrations.suite_options)
    return [find_task(made, task).instructions for task in demonstrations.tasks]
