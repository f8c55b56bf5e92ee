"""A method with its settings, as an experiment compares it under a label."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from robomtl import checkpoint
from robomtl.conditioning import Kind
from robomtl.continual.lifelong_method import LIFELONG, Course, LifelongMethod
from robomtl.continual.stage import Normalisation
from robomtl.earlier import present
from robomtl.errors import InputError
from robomtl.experiments.settings import changed, dealt, kinds_of
from robomtl.nearest import check_known, unknown
from robomtl.training import TrainConfig
from robomtl.training.trainable import check_trainable

TaskId = Literal["given", "withheld"]
"""Whether the identity of the task is known at test, beside its instruction."""

_EQUAL = ("steps", "batch_size", "seed", "threads", "processes")
_OWN = ("policy", "conditioning", "normaliser")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A method and how its policies are trained."""

    name: str
    """Registered name of the method."""
    method: LifelongMethod
    """The method with its hyper-parameters."""
    policy: str
    """Architecture."""
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its config that differ from the defaults."""
    conditioning: tuple[Kind, ...]
    """What the policy is conditioned on."""
    training: TrainConfig
    """Settings of the training of one task."""
    normaliser: Normalisation
    """Whose statistics standardise observations."""


def variant_of(
    label: str, name: str, settings: Mapping[str, Any], usual: "Usual"
) -> Variant:
    """A method with its settings.

    Args:
        label: What results call it.
        name: Registered name of the method.
        settings: By name: ``policy``, ``conditioning``, ``normaliser``,
            ``policy_config.NAME``, ``training.NAME``, or a hyper-parameter of the method.
        usual: Values where there is no setting.

    Raises:
        InputError: If the method or a setting is unknown, or out of range.
    """
    training, config, others = dealt(settings)
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
    check_known("normaliser", variant.normaliser, get_args(Normalisation))
    check_trainable(variant.policy)
    architecture = checkpoint.configure(variant.policy, variant.policy_config)
    variant.training.check_chunk(architecture)
    return variant


def _check_equal(label: str, training: Mapping[str, Any]) -> None:
    """Refuses settings of training that all methods share."""
    for name in training:
        if name in _EQUAL:
            raise InputError(
                f"{label}.training.{name} would make the methods unequal; all have the"
                " same --steps, --batch-size and --seeds, and one thread each."
            )


def _check_settings(name: str, inner: Mapping[str, Any]) -> None:
    """Refuses settings that a method lacks, and names all that can be set of it.

    Raises:
        InputError: If there is one.
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
    """Values that settings of a method may change."""

    policy: str
    """Architecture."""
    conditioning: tuple[Kind, ...]
    """What the policy is conditioned on."""
    training: TrainConfig
    """Settings of the training of one task."""
    normaliser: Normalisation
    """Whose statistics standardise observations."""


def check_variant(label: str, variant: Variant, course: Course, id: TaskId) -> None:
    """Refuses a method that does not fit the course, or needs an identity there is not.

    Raises:
        InputError: If it does not fit.
    """
    if id == "withheld" and variant.method.needs_id:
        raise InputError(
            f"The method {label} ({variant.name}) keeps weights for each task and chooses"
            " them by the identity of the task, which is withheld at test; give the"
            " identity (--task-id given), or leave the method out."
        )
    if id == "withheld" and "one_hot" in variant.conditioning:
        raise InputError(
            f"The method {label} is conditioned on one_hot, which is the identity of the"
            " task, and that is withheld at test; condition on language or goal, or give"
            " the identity (--task-id given)."
        )
    own = replace(course, policy=variant.policy, conditioning=variant.conditioning)
    try:
        variant.method.check(own)
    except InputError as error:
        raise InputError(f"The method {label}: {error}") from error
