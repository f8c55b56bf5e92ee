"""Flags for the arms or methods of a comparison, by label, with their settings."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from robomtl.experiments.adapt.method_design import AdaptRequest
from robomtl.experiments.adapt.method_design import Design as MethodDesign
from robomtl.experiments.multitask.arm_design import Design as ArmDesign
from robomtl.experiments.multitask.arm_design import MultitaskRequest
from robomtl.experiments.multitask.arms import BASES, USUAL
from robomtl.experiments.settings import EVERY, by_label, parsed, split_policies
from robomtl.nearest import check_known


@dataclass(frozen=True, kw_only=True)
class ArmFlags(ArmDesign):
    """Arms of a comparison of training schemes, and its design."""

    arms: tuple[str, ...] = USUAL
    """Training schemes to compare; LABEL=ARM adds an arm again, for other settings."""
    settings: tuple[str, ...] = ()
    """Settings of arms, such as wide.policy_config.width=512; every.NAME for all arms."""


@dataclass(frozen=True, kw_only=True)
class MethodFlags(MethodDesign):
    """Methods of a comparison of adaptation methods, and its design."""

    methods: tuple[str, ...] = ("scratch", "zero_shot", "finetune")
    """Methods to compare; LABEL=METHOD adds a method again, for other settings;
    METHOD@OBJECTIVE adapts policies of this objective, for methods that adapt any policy."""
    settings: tuple[str, ...] = ()
    """Hyper-parameters, such as finetune.learning_rate=1e-3."""
    num_goals: int = 10
    """Number of goals of each task, if goals are hidden."""


def arms_from(
    flags: ArmFlags, usual: MultitaskRequest | None = None
) -> MultitaskRequest:
    """The comparison of arms for the flags.

    Args:
        flags: Flags as given.
        usual: Comparison, such as a recipe's, whose labels and settings are defaults; the
            flags override its settings.

    Raises:
        InputError: If an arm or a setting is malformed, or a label is unknown.
    """
    words = by_label(flags.arms, noun="arm")
    known = {**BASES, **(usual.arms if usual else {})}
    for label, name in words.items():
        check_known("arm", name, known if label == name else BASES)
    arms = _resolved(words, usual.arms if usual else {})
    labels = {**arms, EVERY: EVERY}
    given = parsed(
        flags.settings, labels, noun="arm", example="wide.policy_config.width=512"
    )
    settings = merged(usual.settings if usual else {}, given, labels)
    design = _shared(flags, ArmDesign)
    if usual and flags.reference == usual.reference and flags.reference not in arms:
        design["reference"] = None  # The flags name other arms and no reference.
    return MultitaskRequest(arms=arms, settings=settings, **design)


def methods_from(flags: MethodFlags, usual: AdaptRequest | None = None) -> AdaptRequest:
    """The comparison of methods for the flags.

    Args:
        flags: Flags as given.
        usual: Comparison, such as a recipe's, whose labels and settings are defaults; the
            flags override its settings.

    Raises:
        InputError: If a method or a setting is malformed, or a label is unknown.
    """
    words, policies = split_policies(flags.methods)
    methods = _resolved(by_label(words), usual.methods if usual else {})
    given = parsed(flags.settings, methods)
    return AdaptRequest(
        methods=methods,
        settings=merged(usual.settings if usual else {}, given, methods),
        policies=policies,
        goals=flags.num_goals,
        **_shared(flags, MethodDesign),
    )


def arm_flags(arms: MultitaskRequest) -> ArmFlags:
    """The flags of a comparison of arms, except its settings; see ``arms_from``."""
    return ArmFlags(arms=_words(arms.arms), **_shared(arms, ArmDesign))


def method_words(methods: AdaptRequest) -> tuple[str, ...]:
    """The value of ``MethodFlags.methods`` for a comparison of methods."""
    taken = methods.policies
    words = _words(methods.methods)
    pairs = zip(words, methods.methods, strict=True)
    return tuple(f"{w}@{taken[k]}" if k in taken else w for w, k in pairs)


def merged(
    usual: Mapping[str, Mapping[str, Any]],
    given: Mapping[str, Mapping[str, Any]],
    labels: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """The settings of each label, where given settings override the usual ones."""
    every = {k: {**usual.get(k, {}), **given.get(k, {})} for k in labels}
    return {k: settings for k, settings in every.items() if settings}


def _words(names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(k if k == name else f"{k}={name}" for k, name in names.items())


def _resolved(words: Mapping[str, str], usual: Mapping[str, str]) -> dict[str, str]:
    """The names by label; a bare label of the usual comparison stands for its name there."""
    return {k: usual.get(k, name) if k == name else name for k, name in words.items()}


def _shared(source: object, design: type[ArmDesign | MethodDesign]) -> dict[str, Any]:
    return {each.name: getattr(source, each.name) for each in fields(design)}
