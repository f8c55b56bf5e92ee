"""Settings that a resumed training must keep, and settings that may change."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from robomtl.earlier import completed
from robomtl.errors import OtherRequestError
from robomtl.execution.machine import Machine, continued, recorded_machine
from robomtl.files.request import check_claim, plain
from robomtl.files.run_record import needed_record
from robomtl.training.config import TrainConfig, config_of

_FREE = (
    "device",
    "processes",
    "accumulate",
    "compile",
    "threads",
    "prefetch",
    "log_every",
    "save_every",
    "conflicts_every",
    "affinity_every",
    "evaluate_every",
    "evaluate_episodes",
    "other_pictures",
)
"""Settings that do not change the trained policy, or are recorded in ``machine.json``."""


def resolved_config(config: TrainConfig, folder: Path, request: Path) -> TrainConfig:
    """The settings with ``auto`` resolved, except for threads.

    Args:
        config: The settings as they were given.
        folder: Run directory, which may have recorded the device.
        request: File of the run's request, with its precision, if it has begun.

    Raises:
        InputError: If this machine does not have the device.
    """
    recorded: Machine = recorded_machine(folder)
    if request.exists():
        began = config_of(_training(request), where=f"{request}, training")
        recorded = Machine(device=recorded.device, precision=began.precision)
    return continued_on(recorded, config)


def continued_on(recorded: Machine, config: TrainConfig) -> TrainConfig:
    """The settings with ``auto`` device and precision replaced by the recorded ones.

    Args:
        recorded: Recorded machine of a run directory; see ``continued``.
        config: The settings as they were given.

    Raises:
        InputError: If this machine does not have the device.
    """
    requested = Machine(device=config.device, precision=config.precision)
    machine = continued(requested, recorded)
    return replace(config, device=machine.device, precision=machine.precision)


def _training(request: Path) -> dict[str, Any]:
    """Training settings in the file of a request, by their current names, unchecked."""
    known = [each.name for each in fields(TrainConfig)]
    return completed(needed_record(request.parent).training, known)


def check_resumed(
    path: Path, request: Mapping[str, Any], *, finished: Sequence[Path]
) -> None:
    """Refuses to resume a run with settings that would lead to another outcome.

    Args:
        path: File of the request with which the run began; need not exist.
        request: The current request; ``training`` has all settings.
        finished: Files that depend on the request; any may exist.

    Raises:
        InputError: If a setting differs that must not; see ``check_claim``.
    """
    recorded = _training(path) if path.exists() else {}
    training = _as_it_began(plain(request["training"]), recorded)
    try:
        check_claim(path, {**request, "training": training}, finished=finished)
    except OtherRequestError as error:
        begun = recorded.get("steps", training["steps"])
        if begun == training["steps"]:
            raise
        hint = (
            f"The learning rate of schedule '{training['schedule']}' depends on the number"
            " of steps; only the schedule 'constant' may be given more steps."
        )
        if training["schedule"] == recorded.get("schedule") == "constant":
            hint = f"It may be given more steps than {begun}, but not fewer."
        raise error.followed_by(hint) from error


def _as_it_began(
    training: dict[str, Any], recorded: Mapping[str, Any]
) -> dict[str, Any]:
    """The current settings, with the recorded values of those that may differ."""
    free = [*_FREE]
    if training["sampling"] != "validation_loss":
        free.append("validate_every")
    more = recorded.get("steps", 0) < training["steps"]
    if training["schedule"] == "constant" and more:
        free.append("steps")
    return {**training, **{name: recorded[name] for name in free if name in recorded}}
