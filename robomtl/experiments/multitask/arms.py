"""Ways to learn a set of tasks: what they are called, and how they are set."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

from robomtl import checkpoint
from robomtl.conditioning import Kind
from robomtl.errors import InputError
from robomtl.experiments.settings import changed, dealt, kinds_of
from robomtl.files.paths import located
from robomtl.nearest import check_known, unknown
from robomtl.training import TrainConfig
from robomtl.training.balancing import may_be_negative
from robomtl.training.trainable import check_trainable

BASELINE = "alone"
"""The arm the others are compared with."""
_EQUAL = ("steps", "batch_size", "seed", "threads", "affinity_every")
_OF_PROCESSES = {
    "evaluate_every": "a policy plays once, when it is trained",
    "processes": "a policy is trained by one of the --workers",
}
"""Settings that take processes of their own, and a cell is one already."""
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
    """Registered name of the way."""
    learned: Literal["together", "apart", "alone"]
    """Whether one policy learns all tasks, those of a suite of a joint one, or one each."""
    divided: bool
    """Whether the policies have together the parameters that one of all tasks has;
    otherwise each of them has."""
    policy: str
    """Registered name of the architecture."""
    policy_config: Mapping[str, Any]
    """Fields of its config that differ from the defaults."""
    conditioning: tuple[Kind, ...]
    """Conditioning of the policy; ``none`` for none."""
    training: TrainConfig
    """Settings of training, but for batch and seed."""
    data: Path | None
    """Demonstrations; those of the other arms if None."""
    start: Path | None = None
    """Run directory of a policy from which training continues; None from scratch."""


BASES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "together": {"learned": "together"},
        "apart": {"learned": "apart"},
        "alone": {"learned": "alone"},
        "alone_divided": {"learned": "alone", "divided": True},
        "unconditioned": {"learned": "together", "conditioning": ("none",)},
    }
)
"""What each way differs in from one policy of all tasks."""
USUAL = tuple(base for base in BASES if base != "apart")
"""Arms that fit any suite."""


def arm_of(
    label: str,
    base: str,
    settings: Mapping[str, Any],
    *,
    usual: Arm,
    affinity: int = 0,
) -> Arm:
    """The arm of a base, with its settings.

    Args:
        label: What it is called.
        base: Registered name of the way.
        settings: By name; those inside of ``policy_config`` and ``training`` by both
            names with a dot between them.
        usual: Has the values that neither base nor settings give.
        affinity: Measurements of affinity in a training on all tasks.

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
    signed = may_be_negative(str(getattr(config, "loss", "")))  # Has no ratios to take.
    if made.learned != "together" or signed or not affinity:
        return made
    every = max(1, usual.training.steps // affinity)
    return replace(made, training=replace(made.training, affinity_every=every))


def _set(label: str, arm: Arm, settings: Mapping[str, Any]) -> Arm:
    """The arm with its settings."""
    training, config, others = dealt(settings)
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
    """The arm with the architecture of its start, where it has one."""
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
    """Refuses what balances tasks where there is one."""
    usual = TrainConfig()
    differing = [
        name for name in _BALANCE if getattr(arm.training, name) != getattr(usual, name)
    ]
    if arm.learned == "alone" and differing:
        raise InputError(
            f"{label}.training.{differing[0]} balances tasks, and every policy of the arm"
            f" {label} learns one alone; set it of an arm that learns them together."
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
