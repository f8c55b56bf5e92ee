"""From a data set to what a run learns from: sizes, evidence, frames and wordings."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from robomtl import goals
from robomtl.agent import goal_of, goals_of
from robomtl.alignment import Alignment, action_of, aligned
from robomtl.conditioning import Conditioning, InstructionEmbeddings, Kind
from robomtl.conditioning.characters import LENGTH
from robomtl.conditioning.conditioning import Wording
from robomtl.demonstrations import Demonstrations
from robomtl.demonstrations.layout import ACTION, STATE
from robomtl.demonstrations.mixture import Data, observed_by_choice
from robomtl.errors import InputError
from robomtl.features import Embodiment
from robomtl.machine import device_of
from robomtl.observing import check_vision
from robomtl.policy import Spec
from robomtl.suites import suite
from robomtl.task import find_task
from robomtl.training.augmentation import Augmentation
from robomtl.training.augmenter_for import augmenter_for
from robomtl.training.augmenting import Augmenter
from robomtl.training.config import TrainConfig
from robomtl.training.mixed import embodiments_of, mixed_frames
from robomtl.training.objective import Material, Objective


def conditioning_for(
    data: Data,
    kinds: Sequence[Kind],
    objective: Objective,
    wording: Wording = "embedding",
) -> Conditioning:
    """What a policy is conditioned on: the given kinds, and what the objective infers.

    Raises:
        InputError: If a kind is unknown, twice there, or needs what is missing.
    """
    found = [goals_in(each, kinds) for each in data.sets]
    goal, own = found[0]
    if any(each != found[0] for each in found):
        goal, own = _different_goals(data, kinds, found)
    inferred: tuple[Kind, ...] = ("demonstration",) if objective.demonstration else ()
    return Conditioning(
        kinds=(*kinds, *inferred),
        tasks=data.tasks,
        goal=goal,
        demonstration=objective.demonstration,
        goals=own,
        wording=wording,
    )


Place = tuple[int, int]


def goals_in(
    demonstrations: Demonstrations, kinds: Sequence[Kind]
) -> tuple[Place | None, dict[str, Place]]:
    """Where states hold the goal; and where else, by the tasks for which that differs.

    Args:
        demonstrations: Of a suite that says where.
        kinds: What a policy is conditioned on.

    Raises:
        InputError: If it is conditioned on the goal, and no suite is named.
    """
    if demonstrations.suite is None:
        if "goal" in kinds:
            raise InputError(
                f"{demonstrations.path} {demonstrations.origin}, which does not say where"
                " its states hold the goal; condition on language or one_hot."
            )
        return None, {}
    made = suite(demonstrations.suite, **demonstrations.suite_options)
    size = demonstrations.size(STATE)
    return goal_of(made, size), goals_of(made, size) if "goal" in kinds else {}


def _different_goals(
    data: Data,
    kinds: Sequence[Kind],
    found: Sequence[tuple[Place | None, dict[str, Place]]],
) -> tuple[Place | None, dict[str, Place]]:
    """The same for data sets that hold goals in different places."""
    if "goal" not in kinds:
        return None, {}
    for each, (place, _) in zip(data.sets, found, strict=True):
        if place is None:
            raise InputError(
                f"{each.path} hides the goal, which another data set of the mixture shows;"
                " condition on language or one_hot."
            )
    own = {
        data.tasks[index]: theirs.get(task, place)
        for number, (each, (place, theirs)) in enumerate(
            zip(data.sets, found, strict=True)
        )
        for task, index in zip(each.tasks, data.places(number), strict=True)
    }
    return found[0][0], {task: place for task, place in own.items() if place}


def goal_warning(data: Data, conditioning: Conditioning) -> str:
    """A warning if a policy is conditioned on goals that do not distinguish its tasks.

    Empty if there is nothing to warn of. It is judged by the demonstrations, or by episodes
    of the suite if there are few of them.
    """
    if conditioning.kinds != ("goal",):
        return ""
    said = (_goal_warning(each) for each in data.sets if each.suite is not None)
    return " ".join(filter(None, said))


def _goal_warning(demonstrations: Demonstrations) -> str:
    made = suite(str(demonstrations.suite), **demonstrations.suite_options)
    task, starts = demonstrations.episodes.task, demonstrations.first_states
    states = {
        name: starts[task == index] for index, name in enumerate(demonstrations.tasks)
    }
    if min(map(len, states.values())) < goals.SAMPLE:
        states = goals.first_states(made, demonstrations.tasks)
    return goals.warning(made.name, goals.indistinguishable_tasks(made, states=states))


def spec_for(
    data: Data, conditioning: Conditioning, config: TrainConfig | None = None
) -> Spec:
    """The sizes of a policy for these demonstrations.

    Args:
        data: Has the demonstrations.
        conditioning: Of the policy.
        config: Its features and history; the defaults if None.

    Raises:
        InputError: If a feature that the policy is to read was not recorded, or its
            conditioning reads one that it does not.
    """
    config = config or TrainConfig()
    features = config.features or observed_by_choice(data)
    if "goal" in conditioning.kinds and "state" not in (features or ("state",)):
        raise InputError(
            "Conditioning on the goal reads the goal from 'state'; features are"
            f" {', '.join(features)}. Condition on language or one_hot, or add state."
        )
    robots: tuple[Embodiment, ...] = ()
    first, *others = data.sets
    if others or {*first.columns} != {STATE, ACTION}:
        robots = embodiments_of(data)
    if features:
        robots = tuple(each.observing(features) for each in embodiments_of(data))
    made = partial(
        Spec,
        embedding=conditioning.size,
        tasks=len(conditioning.tasks),
        history=config.history or 1,
        vision=config.vision,
        text=LENGTH if conditioning.in_characters else 0,
        goal_image="goal_image" in conditioning.kinds,
    )
    if config.alignment == "end_effector":
        made = partial(made, alignment=aligned(_described(data)))
    if len(robots) > 1 or robots and list(robots[0].observation) != ["state"]:
        spec = made(embodiments=robots)
    else:
        state, action = (first.size(n) for n in (STATE, ACTION))
        spec = made(state=state, action=action)
    check_vision(spec)
    return spec


def _described(data: Data) -> list[Embodiment]:
    """The robots of data sets, with what their suites say of their actions.

    Raises:
        InputError: If there is one robot alone.
    """
    robots = embodiments_of(data)
    if len(robots) < 2:
        raise InputError(
            f"alignment shares one action among several robots, and {data.path} is of one,"
            f" '{''.join(robot.name for robot in robots)}'; leave it out, or give --data of"
            " several."
        )
    found = []
    for robot in robots:
        first = next(each for each in data.sets if each.embodiment == robot)
        action = robot.action
        if first.suite is not None:
            made = suite(first.suite, **first.suite_options)
            action = action_of(made, first.tasks[0]) or action
        found.append(replace(robot, action=action))
    return found


def materials(
    data: Data,
    conditioning: Conditioning,
    config: TrainConfig,
    *,
    chunk: int,
    history: int = 1,
    alignment: Alignment | None = None,
) -> tuple[Material, Material]:
    """What to train on, and what to validate on: the last episodes of each task.

    Args:
        data: What is learned from.
        conditioning: What the policy is conditioned on.
        config: Settings of the run.
        chunk: Actions in a sample.
        history: Observations in a sample.
        alignment: How robots share one action; None where each has its own.

    Raises:
        InputError: If samples cannot be augmented: of several data sets, with features
            beside the state, or with a history.
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
        for part in _split(data, config.validation)
    )
    if augmenter is not None:
        known = augmenter.prepared(training.frames)
        training = replace(training, frames=known, augmenter=augmenter)
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
            "augmentation transforms samples of a single data set, and these are"
            f" {len(data.sets)}; leave it out, or give one data set."
        )
    return augmenter_for(augmentation, first, device)


def instructions(data: Data) -> list[tuple[str, ...]]:
    """Training wordings of each task; the data set's own where no suite is named."""
    found: dict[int, tuple[str, ...]] = {}
    for number, each in enumerate(data.sets):
        for index, words in zip(data.places(number), _wordings(each), strict=True):
            found.setdefault(int(index), words)
    return [found[index] for index in range(len(data.tasks))]


def _wordings(demonstrations: Demonstrations) -> list[tuple[str, ...]]:
    if demonstrations.suite is None:
        return [(demonstrations.instructions[task],) for task in demonstrations.tasks]
    made = suite(demonstrations.suite, **demonstrations.suite_options)
    return [find_task(made, task).instructions for task in demonstrations.tasks]


def check_held_out(data: Data, part: float) -> None:
    """Makes sure that some episodes of every task are held out for validation.

    Raises:
        InputError: If a task has none.
    """
    _, validation = _split(data, part)
    there = {
        int(index)
        for number, (each, held_out) in enumerate(
            zip(data.sets, validation, strict=True)
        )
        for index in data.places(number)[each.episodes.task[held_out]]
    }
    missing = [task for i, task in enumerate(data.tasks) if i not in there]
    if missing:
        raise InputError(
            f"sampling 'validation_loss' needs held-out episodes of every task, and there"
            f" are none of {', '.join(missing)}; raise validation, or collect more."
        )


def held_out_note(data: Data, config: TrainConfig) -> str:
    """A note if validation is requested and no episode is held out; else empty."""
    part = config.validation
    if not part or config.validate_every > config.steps:
        return ""
    if any(_split(data, part)[1]):
        return ""
    most = max(int(np.bincount(each.episodes.task).max()) for each in data.sets)
    least = math.ceil(1000 / most) / 1000
    advice = f"Give {least} or more to hold out one." if most > 1 else "Collect more."
    return (
        f"validation is {part}, which holds out none of {most} episodes per task: no"
        f" validation loss is measured. {advice}"
    )


def _split(data: Data, part: float) -> tuple[list[list[int]], list[list[int]]]:
    """Episodes of each data set to train on and, the last of each task, to validate on."""
    training, validation = [], []
    for each in data.sets:
        kept, held_out = list[int](), list[int]()
        for index in range(len(each.tasks)):
            episodes = (each.episodes.task == index).nonzero()[0].tolist()
            count = len(episodes) - int(part * len(episodes))
            kept += episodes[:count]
            held_out += episodes[count:]
        training.append(kept)
        validation.append(held_out)
    return training, validation
