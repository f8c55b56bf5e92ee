"""Optimiser groups: learning rate and weight decay by the parts of a policy.

A part is a module of the policy by its name, such as ``head`` or ``trunk.0``. A parameter
belongs to the innermost part that is named.
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
    """The learning rate of the run is multiplied by it; above 0."""
    weight_decay: float
    """Weight decay of AdamW."""


def within(name: str, part: str) -> bool:
    """Whether a parameter or module of this name is in a part of a policy, or is it."""
    return f"{name}.".startswith(f"{part}.")


def parts_of(policy: nn.Module) -> list[str]:
    """Names of the policy's outermost parts that hold values, in order."""
    return list(dict.fromkeys(name.partition(".")[0] for name in policy.state_dict()))


def check_parts(policy: nn.Module, parts: Iterable[str]) -> None:
    """Makes sure that a policy has these parts.

    Raises:
        InputError: If it has no such part; names the nearest.
    """
    held = list(policy.state_dict())
    for part in parts:
        if not any(within(name, part) for name in held):
            raise InputError(unknown("part of the policy", part, parts_of(policy)))


def grouped(policy: nn.Module, config: TrainConfig) -> list[Group]:
    """The optimiser groups of a policy; freezes the parts whose factor is 0.

    Args:
        policy: Its parameters that require a gradient are trained.
        config: Settings of the run.

    Raises:
        InputError: If the policy has no such part, or nothing is left to train.
    """
    factors, decays = config.learning_rate_factors, config.weight_decays
    trained_parts = (*config.train, "auxiliary")  # Which no start can have.
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
    """The value of the innermost part that a parameter is in."""
    found = [(len(part), value) for part, value in values if within(name, part)]
    return max(found)[1] if found else otherwise
