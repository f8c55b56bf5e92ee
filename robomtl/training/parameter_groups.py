"""Optimiser groups: learning rate and weight decay of the parts of a policy.

A part is a module of the policy, given by its name such as ``head`` or ``trunk.0``. A
parameter belongs to the innermost part that is named.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from torch import nn

from robomtl.errors import InputError
from robomtl.nearest import unknown
from robomtl.training.config import TrainConfig


class Group(NamedTuple):
    """Parameters that are optimised with the same settings."""

    names: tuple[str, ...]
    """Names of the parameters within the policy."""
    factor: float
    """Factor on the learning rate of the run; above 0."""
    weight_decay: float
    """Weight decay of AdamW."""


def within(name: str, part: str) -> bool:
    """Whether a parameter or module of a name is a part of a policy, or inside the part."""
    return f"{name}.".startswith(f"{part}.")


def parts_of(policy: nn.Module) -> list[str]:
    """Names of the policy's outermost parts with parameters or buffers, in order."""
    return list(dict.fromkeys(name.partition(".")[0] for name in policy.state_dict()))


def check_parts(policy: nn.Module, parts: Iterable[str]) -> None:
    """Checks that a policy has the named parts.

    Raises:
        InputError: If it lacks one; the message names the nearest part.
    """
    names = list(policy.state_dict())
    for part in parts:
        if not any(within(name, part) for name in names):
            raise InputError(unknown("part of the policy", part, parts_of(policy)))


def grouped(policy: nn.Module, config: TrainConfig) -> list[Group]:
    """The optimiser groups of a policy; freezes the parts whose factor is 0.

    Args:
        policy: Policy whose parameters are trained if they require a gradient.
        config: Settings of the run.

    Raises:
        InputError: If the policy lacks a part that the config names, or no parameter is
            left to train.
    """
    factors, decays = config.learning_rate_factors, config.weight_decays
    trained_parts = (*config.train, "auxiliary")  # Never in a start, so always trained.
    check_parts(policy, [*config.train, *(part for part, _ in (*factors, *decays))])
    names: dict[tuple[float, float], list[str]] = {}
    for name, parameter in policy.named_parameters():
        trained = not config.train or any(within(name, part) for part in trained_parts)
        factor = _innermost(name, factors, otherwise=1.0) if trained else 0.0
        decay = _innermost(name, decays, otherwise=config.weight_decay)
        if not factor:
            parameter.requires_grad_(False)
        if parameter.requires_grad:
            names.setdefault((factor, decay), []).append(name)
    if not names:
        raise InputError(
            "No parameter of the policy is left to train; give a part a"
            " learning_rate_factor above 0."
        )
    return [Group(tuple(some), *settings) for settings, some in names.items()]


def _innermost(
    name: str, values: Sequence[tuple[str, float]], *, otherwise: float
) -> float:
    """The value of the innermost part that a parameter is in; ``otherwise`` if none is."""
    matches = [(len(part), value) for part, value in values if within(name, part)]
    return max(matches)[1] if matches else otherwise
