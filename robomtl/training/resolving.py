"""Settings of a training and the card of its policy, completed before it begins."""

from dataclasses import replace
from pathlib import Path

from robomtl import checkpoint
from robomtl.checkpoint import Card
from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError
from robomtl.files.request import plain
from robomtl.policy import POLICIES
from robomtl.training.config import TrainConfig
from robomtl.training.data_conditioning import conditioning_for
from robomtl.training.kept_settings import resolved_config
from robomtl.training.material import spec_for
from robomtl.training.monitoring import REQUEST
from robomtl.training.objective import Objective, check_fits
from robomtl.training.processes import check_devices, number_of
from robomtl.training.start import Resolved, Start, usual_history, usual_vision
from robomtl.training.trainable import check_trainable


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
    """The card of the policy to be trained.

    Raises:
        InputError: If the demonstrations lack what the policy reads, or the objective or
            the architecture does not fit.
    """
    wording = POLICIES.get(model.policy).wording
    conditioning = conditioning_for(
        demonstrations, model.conditioning, objective, wording
    )
    card = Card(
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
    check_fits(objective, card.policy)
    POLICIES.get(card.policy).check(card.spec)
    return card
