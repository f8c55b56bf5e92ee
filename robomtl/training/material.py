"""From a data set to what a run learns from: sizes, evidence, frames and wordings."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from robomtl import goals
from robomtl.agent import goal_of, goals_of
from robomtl.conditioning import Conditioning, InstructionEmbeddings, Kind
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.machine import device_of
from robomtl.policy import Spec
from robomtl.suites import suite
from robomtl.task import find_task
from robomtl.training.augmenting import augmenter_for
from robomtl.training.config import TrainConfig
from robomtl.training.objective import Material, Objective
from robomtl.training.recorded import frames


def conditioning_for(
    demonstrations: Demonstrations, kinds: Sequence[Kind], objective: Objective
) -> Conditioning:
    """What a policy is told, by the kinds asked for and what the objective infers.

    Raises:
        InputError: If a kind is unknown, twice there, or needs what is missing.
    """
    goal, own = None, {}
    if demonstrations.suite is not None:
        made = suite(demonstrations.suite, **demonstrations.suite_options)
        goal = goal_of(made, demonstrations.state.shape[1])
        if "goal" in kinds:
            own = goals_of(made, demonstrations.state.shape[1])
    elif "goal" in kinds:
        raise InputError(
            f"{demonstrations.path} {demonstrations.origin}, which does not say where its"
            " states hold the goal; condition on language or one_hot."
        )
    inferred: tuple[Kind, ...] = ("demonstration",) if objective.demonstration else ()
    return Conditioning(
        kinds=(*kinds, *inferred),
        tasks=demonstrations.tasks,
        goal=goal,
        demonstration=objective.demonstration,
        goals=own,
    )


def goal_warning(demonstrations: Demonstrations, conditioning: Conditioning) -> str:
    """A warning if a policy is conditioned on goals that do not distinguish its tasks.

    Empty if there is nothing to warn of. It is judged by the demonstrations, or by episodes
    of the suite if there are few of them.
    """
    if conditioning.kinds != ("goal",) or demonstrations.suite is None:
        return ""
    made = suite(demonstrations.suite, **demonstrations.suite_options)
    task, starts = demonstrations.episodes.task, demonstrations.first_states
    states = {
        name: starts[task == index] for index, name in enumerate(demonstrations.tasks)
    }
    if min(map(len, states.values())) < goals.SAMPLE:
        states = goals.first_states(made, demonstrations.tasks)
    return goals.warning(made.name, goals.tasks_alike(made, states=states))


def spec_for(demonstrations: Demonstrations, conditioning: Conditioning) -> Spec:
    """The sizes of a policy for these demonstrations."""
    return Spec(
        state=demonstrations.state.shape[1],
        action=demonstrations.action.shape[1],
        embedding=conditioning.size,
        tasks=len(conditioning.tasks),
    )


def materials(
    demonstrations: Demonstrations,
    conditioning: Conditioning,
    config: TrainConfig,
    *,
    chunk: int,
) -> tuple[Material, Material]:
    """What to train on, and what to validate on: the last episodes of each task."""
    device = device_of(config.device)
    wordings = InstructionEmbeddings(
        conditioning, instructions(demonstrations), config.instruction_augmentation
    ).to(device)
    augmenter = augmenter_for(config.augmentation, demonstrations, device)
    training, validation = (
        Material(
            frames=frames(demonstrations, part, device),
            wordings=wordings,
            conditioning=conditioning,
            chunk=chunk,
        )
        for part in _split(demonstrations, config.validation)
    )
    if augmenter is not None:
        known = augmenter.prepared(training.frames)
        training = replace(training, frames=known, augmenter=augmenter)
    return training, validation


def instructions(demonstrations: Demonstrations) -> list[tuple[str, ...]]:
    """Training wordings of each task; the data set's own where no suite is named."""
    if demonstrations.suite is None:
        return [(demonstrations.instructions[task],) for task in demonstrations.tasks]
    made = suite(demonstrations.suite, **demonstrations.suite_options)
    return [find_task(made, task).instructions for task in demonstrations.tasks]


def check_held_out(demonstrations: Demonstrations, part: float) -> None:
    """Makes sure that some episodes of every task are held out for validation.

    Raises:
        InputError: If a task has none.
    """
    _, validation = _split(demonstrations, part)
    there = {int(task) for task in demonstrations.episodes.task[validation]}
    missing = [task for i, task in enumerate(demonstrations.tasks) if i not in there]
    if missing:
        raise InputError(
            f"sampling 'validation_loss' needs held-out episodes of every task, and there"
            f" are none of {', '.join(missing)}; raise validation, or collect more."
        )


def held_out_note(demonstrations: Demonstrations, config: TrainConfig) -> str:
    """A note if validation is requested and no episode is held out; else empty."""
    part, episodes = config.validation, demonstrations.episodes.task
    if not part or config.validate_every > config.steps:
        return ""
    if _split(demonstrations, part)[1]:
        return ""
    most = int(np.bincount(episodes).max())
    least = math.ceil(1000 / most) / 1000
    advice = f"Give {least} or more to hold out one." if most > 1 else "Collect more."
    return (
        f"validation is {part}, which holds out none of {most} episodes per task: no"
        f" validation loss is measured. {advice}"
    )


def _split(demonstrations: Demonstrations, part: float) -> tuple[list[int], list[int]]:
    """Episodes to train on and, the last ones of each task, to validate on."""
    training, validation = [], []
    for index in range(len(demonstrations.tasks)):
        episodes = (demonstrations.episodes.task == index).nonzero()[0].tolist()
        kept = len(episodes) - int(part * len(episodes))
        training += episodes[:kept]
        validation += episodes[kept:]
    return training, validation
