"""Resolution and checks of the settings of a training before it begins."""

import math
from dataclasses import replace
from pathlib import Path

from robomtl import checkpoint
from robomtl.checkpoint import Card
from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError
from robomtl.execution.machine import memory
from robomtl.files.request import plain
from robomtl.policy import POLICIES
from robomtl.progress import remark
from robomtl.training.config import TrainConfig
from robomtl.training.data_conditioning import conditioning_for, goal_warning
from robomtl.training.image_augmentation import check_images
from robomtl.training.kept_settings import resolved_config
from robomtl.training.material import spec_for
from robomtl.training.monitoring import REQUEST
from robomtl.training.objective import Objective, check_fits
from robomtl.training.position_head import check_positions
from robomtl.training.processes import check_devices, number_of
from robomtl.training.start import Resolved, Start, usual_history, usual_vision
from robomtl.training.trainable import (
    check_actions,
    check_balance,
    check_chunk,
    check_divisible,
    check_trainable,
    rate_note,
)
from robomtl.warned import warn


def settled(
    config: TrainConfig, model: Resolved, begun: Start | None, folder: Path
) -> TrainConfig:
    """The settings, completed from the start, the machine and an earlier run.

    Args:
        config: Settings as they were given.
        model: Architecture and objective.
        begun: Start in memory; None for training from scratch.
        folder: Run directory, which an earlier run may have recorded its settings in.

    Raises:
        InputError: If ``train`` names parts and there is no start, the architecture is
            not trainable, or the machine lacks the devices.
    """
    if config.train and begun is None:
        raise InputError(
            f"train names {', '.join(config.train)} as the parts of a start that are"
            " trained, and training is from scratch; give a start (--start RUN), or leave"
            " --train out."
        )
    check_trainable(model.policy)
    config = replace(
        config,
        history=config.history or usual_history(model.policy, begun),
        vision=usual_vision(config.vision, begun),
        processes=number_of(config.processes),
    )
    config = resolved_config(config, folder, folder / REQUEST)
    check_devices(config.processes, config.device)
    return config


def card_of(
    demonstrations: Data, model: Resolved, objective: Objective, config: TrainConfig
) -> Card:
    """The card of the policy to be trained."""
    wording = POLICIES.get(model.policy).wording
    conditioning = conditioning_for(
        demonstrations, model.conditioning, objective, wording
    )
    return Card(
        policy=model.policy,
        config=plain(checkpoint.configure(model.policy, model.policy_config)),
        spec=spec_for(demonstrations, conditioning, config),
        conditioning=conditioning,
        suite=demonstrations.suite or "",
        suite_options=dict(demonstrations.suite_options),
        step=config.steps,
        objective=model.objective,
        objective_config=plain(objective),
        acting=config.acting,
    )


def check_training(
    demonstrations: Data, card: Card, objective: Objective, config: TrainConfig
) -> None:
    """Checks that a policy can be trained, and prints notes and warnings.

    Raises:
        InputError: If the policy, the objective, the demonstrations and the settings do
            not fit each other, or a batch does not fit into memory.
    """
    check_fits(objective, card.policy)
    POLICIES.get(card.policy).check(card.spec)
    check_actions(demonstrations, objective, objective=card.objective)
    checkpoint.count_parameters(card)  # Refuses a policy that is too large.
    _check_batch(card, config.batch_size)
    chunk = int(card.config.get("chunk", 1))
    check_chunk(demonstrations, chunk)
    if note := rate_note(demonstrations, chunk=chunk, history=card.spec.history):
        remark(note)
    loss = str(card.config.get("loss", ""))
    check_balance(demonstrations, config, loss=loss, objective=card.objective)
    check_images(config.image_augmentation, card.spec, card.objective)
    if config.auxiliary.positions:
        check_positions(
            demonstrations, images=bool(card.spec.images), objective=card.objective
        )
    check_divisible(config, objective, objective=card.objective)
    if warning := goal_warning(demonstrations, card.conditioning):
        warn(warning)


def _check_batch(card: Card, batch_size: int) -> None:
    """Checks that a batch fits into memory.

    Raises:
        InputError: If its observations and actions alone do not.
    """
    spec = card.spec
    states = sum(spec.states.values()) * spec.history
    pictures = sum(math.prod(each.shape) for each in spec.images.values())
    actions = spec.action * int(card.config.get("chunk", 1))
    needed = batch_size * (4 * (states + actions) + pictures * spec.history)
    if needed > memory():
        raise InputError(
            f"batch_size is {batch_size}: a batch takes {needed / 1e9:,.0f} GB of memory,"
            f" and this machine has {memory() / 1e9:,.0f} GB. Give a smaller batch_size."
        )
