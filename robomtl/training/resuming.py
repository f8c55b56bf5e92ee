"""What a training that is resumed keeps, and what may be other than before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robomtl.errors import InputError
from robomtl.machine import Machine, continued, recorded
from robomtl.request import check_claim, plain
from robomtl.training.config import TrainConfig, config_of
from robomtl.untrusted import read_json

_FREE = (
    "device",
    "threads",
    "log_every",
    "save_every",
    "conflicts_every",
    "affinity_every",
    "evaluate_every",
    "evaluate_episodes",
)
"""Settings that decide nothing of what is learned, or are recorded in ``machine.json``."""


def settled(config: TrainConfig, folder: Path, request: Path) -> TrainConfig:
    """The settings with what ``auto`` is in a run, but for threads.

    Args:
        config: As they were given.
        folder: Run directory, which may have recorded the device.
        request: What the run was asked for, with its precision, if it has begun.

    Raises:
        InputError: If there is no such device here.
    """
    there: Machine = recorded(folder)
    if request.exists():
        began = config_of(_training(request), where=f"{request}, training")
        there = Machine(device=there.device, precision=began.precision)
    asked = Machine(device=config.device, precision=config.precision)
    machine = continued(asked, there)
    return replace(config, device=machine.device, precision=machine.precision)


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What is read of a run's request."""

    training: dict[str, Any]


def _training(request: Path) -> dict[str, Any]:
    """The settings in the file of a request, not yet checked."""
    return read_json(request, _Request).training


def check_resumed(
    path: Path, request: Mapping[str, Any], *, finished: Sequence[Path]
) -> None:
    """Refuses to go on with a run whose outcome was to be another one.

    Args:
        path: File of the request with which the run began, if it has.
        request: What is asked for now; ``training`` has all settings.
        finished: Files that depend on it, of which any may exist.

    Raises:
        InputError: If it was; see ``check_claim``.
    """
    there = _training(path) if path.exists() else {}
    training = _as_it_began(plain(request["training"]), there)
    try:
        check_claim(path, {**request, "training": training}, finished=finished)
    except InputError as error:
        if there.get("steps", training["steps"]) == training["steps"]:
            raise
        raise InputError(
            f"{error} How the learning rate of '{training['schedule']}' falls depends on"
            " the number of steps; a run of the schedule 'constant' may be given more."
        ) from error


def _as_it_began(training: dict[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of now, those that may differ as they were."""
    free = [*_FREE]
    if training["sampling"] != "validation_loss":
        free.append("validate_every")
    more = there.get("steps", 0) < training["steps"]
    if training["schedule"] == "constant" and more:
        free.append("steps")
    return {**training, **{name: there[name] for name in free if name in there}}
