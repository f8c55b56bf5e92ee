"""Variants: lifelong methods with the settings that an experiment compares."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from robomtl import checkpoint
from robomtl.conditioning import Kind
from robomtl.continual.lifelong_method import LIFELONG, LifelongMethod, StreamSetting
from robomtl.continual.stage import Normalisation
from robomtl.earlier import present
from robomtl.errors import InputError
from robomtl.experiments.settings import changed, kinds_of, split_settings
from robomtl.nearest import check_known, unknown
from robomtl.training import TrainConfig
from robomtl.training.trainable import check_trainable

TaskId = Literal["given", "withheld"]
"""Whether the identity of the task is known at test, besides its instruction."""

_EQUAL = ("steps", "batch_size", "seed", "threads", "processes")
_OWN = ("policy", "conditioning", "normaliser")
# Settings by which tasks are balanced, and values that need no samples of every task.
_BALANCING: Mapping[str, tuple[str, ...]] = {
    "weighting": ("fixed",),
    "aggregation": ("mean",),
    "mixture": ("given",),
    "sampling": ("temperature", "uniform", "proportional"),
}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A method with the architecture and training of its policies."""

    name: str
    """Registered name of the method."""
    method: LifelongMethod
    """The method with its hyper-parameters."""
    policy: str
    """Registered name of the architecture."""
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the architecture's config that differ from the defaults."""
    conditioning: tuple[Kind, ...]
    """Conditioning of the policy."""
    training: TrainConfig
    """Settings of the training of one task."""
    normaliser: Normalisation
    """Source of the statistics that standardise observations."""


def variant_of(
    label: str, name: str, settings: Mapping[str, Any], usual: "Usual"
) -> Variant:
    """The variant of a method with the given settings.

    Args:
        label: Label of the variant in results.
        name: Registered name of the method.
        settings: Settings by name: ``policy``, ``conditioning``, ``normaliser``,
            ``policy_config.NAME``, ``training.NAME``, or a hyper-parameter of the method.
        usual: Values of the settings that are not given.

    Raises:
        InputError: If the method or a setting is unknown, or out of range.
    """
    training, config, others = split_settings(settings)
    _check_equal(label, training)
    inner = {k: value for k, value in others.items() if k not in _OWN}
    try:
        _check_settings(name, inner)
        variant = Variant(
            name=name,
            method=changed(LIFELONG.get(name)(), inner),
            policy=str(others.get("policy", usual.policy)),
            policy_config=config,
            conditioning=kinds_of(others.get("conditioning", usual.conditioning)),
            training=changed(usual.training, training),
            normaliser=others.get("normaliser", usual.normaliser),
        )
    except InputError as error:
        said = str(error).removesuffix(".")
        raise InputError(f"The method {label}: {said}.") from error
    if not variant.method.at_once:
        _check_no_balancing(label, variant.training)
    check_known("normaliser", variant.normaliser, get_args(Normalisation))
    check_trainable(variant.policy)
    architecture = checkpoint.configure(variant.policy, variant.policy_config)
    variant.training.check_chunk(architecture)
    return variant


def _check_equal(label: str, training: Mapping[str, Any]) -> None:
    """Refuses training settings that have to be equal for all methods."""
    for name in training:
        if name in _EQUAL:
            raise InputError(
                f"{label}.training.{name} would make the methods unequal; all have the"
                " same --steps, --batch-size and --seeds, and one thread each."
            )


def _check_no_balancing(label: str, training: TrainConfig) -> None:
    """Refuses settings that balance all tasks, where a stage learns only some."""
    for name, fitting in _BALANCING.items():
        value = getattr(training, name)
        if value not in fitting:
            raise InputError(
                f"{label}.training.{name} is {value!r}, which needs samples of all tasks,"
                f" and a stage of {label} learns some of them; leave it out, or set it for"
                " multitask alone."
            )


def _check_settings(name: str, inner: Mapping[str, Any]) -> None:
    """Refuses settings that a method lacks.

    Raises:
        InputError: If a setting is unknown, naming all that the method has.
    """
    own = [each.name for each in fields(LIFELONG.get(name))]  # type: ignore[arg-type]
    general = [*_OWN, "policy_config.NAME", "training.NAME"]
    for setting in present(inner, own):
        if setting.partition(".")[0] not in own:
            raise InputError(
                f"{unknown('setting', setting, [*own, *general])} every.NAME is for all"
                " methods: set what some lack by METHOD.NAME."
            )


@dataclass(frozen=True, kw_only=True)
class Usual:
    """Values of settings that a variant does not set."""

    policy: str
    """Registered name of the architecture."""
    conditioning: tuple[Kind, ...]
    """Conditioning of the policy."""
    training: TrainConfig
    """Settings of the training of one task."""
    normaliser: Normalisation
    """Source of the statistics that standardise observations."""


def check_variant(
    label: str, variant: Variant, setting: StreamSetting, id: TaskId
) -> None:
    """Checks that a variant fits the setting, and does not need a withheld identity.

    Raises:
        InputError: If the variant does not fit.
    """
    if id == "withheld" and variant.method.needs_id:
        raise InputError(
            f"The method {label} ({variant.name}) keeps weights for each task and chooses"
            " them by the identity of the task, which is withheld at test; give the"
            " identity (--task-id given), or leave the method out."
        )
    if id == "withheld" and "one_hot" in variant.conditioning:
        raise InputError(
            f"The method {label} is conditioned on one_hot, the identity of the task,"
            " which is withheld at test; condition on language or goal, or give the"
            " identity (--task-id given)."
        )
    own = replace(setting, policy=variant.policy, conditioning=variant.conditioning)
    try:
        variant.method.check(own)
    except InputError as error:
        raise InputError(f"The method {label}: {error}") from error
