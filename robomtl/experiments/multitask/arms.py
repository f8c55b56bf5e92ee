"""Arms of a multi-task experiment: ways to learn a set of tasks, with their settings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

from robomtl import checkpoint
from robomtl.conditioning import Kind
from robomtl.errors import InputError
from robomtl.experiments.settings import changed, kinds_of, split_settings
from robomtl.files.paths import located
from robomtl.nearest import check_known, unknown
from robomtl.training import TrainConfig
from robomtl.training.balancing import may_be_negative
from robomtl.training.trainable import check_trainable

BASELINE = "alone"
"""Name of the arm that the others are compared with by default."""
_EQUAL = ("steps", "batch_size", "seed", "threads", "affinity_every")
_OF_PROCESSES = {
    "evaluate_every": "a policy is evaluated once, after training",
    "processes": "each policy is trained by one of the --workers",
}
"""Settings that need further processes, with the reason why a cell refuses them."""
_BALANCE = ("sampling", "weighting", "aggregation", "balancing", "conflicts_every")
_FIELDS = (
    "policy",
    "policy_config.NAME",
    "conditioning",
    "training.NAME",
    "data",
    "start",
)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A way to learn the tasks."""

    base: str
    """Name of the arm in ``BASES``."""
    learned: Literal["together", "apart", "alone"]
    """Tasks of a policy: all (together), those of one suite of a joint suite (apart), or
    one (alone)."""
    divided: bool
    """Whether all policies together have as many parameters as one policy of all tasks;
    otherwise each policy has as many."""
    policy: str
    """Registered name of the architecture."""
    policy_config: Mapping[str, Any]
    """Fields of the architecture's config that differ from the defaults."""
    conditioning: tuple[Kind, ...]
    """Conditioning of the policy; ``none`` for none."""
    training: TrainConfig
    """Settings of training; batch size and seed are set by the cell."""
    data: Path | None
    """Folder of demonstrations; that of the other arms if None."""
    start: Path | None = None
    """Run directory of the policy from which training continues; None from scratch."""


BASES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "together": {"learned": "together"},
        "apart": {"learned": "apart"},
        "alone": {"learned": "alone"},
        "alone_divided": {"learned": "alone", "divided": True},
        "unconditioned": {"learned": "together", "conditioning": ("none",)},
    }
)
"""Fields of each arm that differ from the default, by name of the arm."""
USUAL = tuple(base for base in BASES if base != "apart")
"""Names of the arms that fit any suite."""


def arm_of(
    label: str,
    base: str,
    settings: Mapping[str, Any],
    *,
    usual: Arm,
    affinity: int = 0,
) -> Arm:
    """The arm with a base and settings.

    Args:
        label: Label of the arm, for messages.
        base: Name of the arm in ``BASES``.
        settings: Settings by name, nested ones as ``policy_config.NAME`` and
            ``training.NAME``.
        usual: Arm with the values that neither base nor settings give.
        affinity: Number of measurements of affinity in a training on all tasks.

    Raises:
        InputError: If the base, a setting or the policy is unknown, or a setting would
            make the arms unequal.
    """
    check_known("arm", base, BASES)
    made = replace(usual, base=base, **BASES[base])
    made = _continued(_set(label, made, settings), settings)
    check_trainable(made.policy)
    config = checkpoint.configure(made.policy, made.policy_config)
    made.training.check_chunk(config)
    _check_balanced(label, made)
    # Affinity is a ratio of losses, which a loss of either sign does not have.
    signed = may_be_negative(str(getattr(config, "loss", "")))
    if made.learned != "together" or signed or not affinity:
        return made
    every = max(1, usual.training.steps // affinity)
    return replace(made, training=replace(made.training, affinity_every=every))


def _set(label: str, arm: Arm, settings: Mapping[str, Any]) -> Arm:
    """The arm with its settings applied."""
    training, config, others = split_settings(settings)
    for name in training:
        _check_settable(label, name)
    for name, value in others.items():
        if name == "conditioning":
            arm = replace(arm, conditioning=kinds_of(value))
        elif name == "policy":
            arm = replace(arm, policy=str(value))
        elif name == "data":
            arm = replace(arm, data=located(str(value)))
        elif name == "start":
            arm = replace(arm, start=located(str(value)))
        else:
            raise InputError(unknown(f"setting of the arm {label}", name, _FIELDS))
    return replace(arm, policy_config=config, training=_trained(label, arm, training))


def _continued(arm: Arm, settings: Mapping[str, Any]) -> Arm:
    """The arm with the architecture of the policy that it starts from, if there is one."""
    if arm.start is None:
        return arm
    card = checkpoint.load(arm.start).card
    if settings.get("policy", card.policy) != card.policy:
        return arm
    config = {**card.config, **arm.policy_config}
    return replace(arm, policy=card.policy, policy_config=config)


def _trained(label: str, arm: Arm, settings: Mapping[str, Any]) -> TrainConfig:
    try:
        return cast(TrainConfig, changed(arm.training, settings))
    except InputError as error:
        said = str(error).removesuffix(".")
        raise InputError(f"Training of the arm {label}: {said}.") from error


def _check_balanced(label: str, arm: Arm) -> None:
    """Refuses settings that balance tasks in an arm that learns each task alone."""
    usual = TrainConfig()
    differing = [
        name for name in _BALANCE if getattr(arm.training, name) != getattr(usual, name)
    ]
    if arm.learned == "alone" and differing:
        raise InputError(
            f"{label}.training.{differing[0]} balances tasks, but every policy of the arm"
            f" {label} learns a single task; use it with an arm that learns tasks together."
        )


def _check_settable(label: str, name: str) -> None:
    if name in _EQUAL:
        raise InputError(
            f"{label}.training.{name} would make the arms unequal; all have the same"
            " --steps, --samples, --seeds and --affinity, and one thread each."
        )
    if name in _OF_PROCESSES:
        raise InputError(
            f"{label}.training.{name} cannot be set: {_OF_PROCESSES[name]}; leave it out."
        )
