"""The state of an Adam over one parameter as tensors by name, for checkpoints."""

from collections.abc import Mapping

import torch
from torch import Tensor

_KNOWN = {"step", "exp_avg", "exp_avg_sq"}

State = dict[str, Tensor]
"""All that something which learns has to know to go on, by name."""


def adam_state(optimiser: torch.optim.Adam) -> State:
    """Adam's state of its parameter; empty before the first step."""
    (parameter,) = optimiser.param_groups[0]["params"]
    known: State = optimiser.state[parameter]
    return {f"adam.{name}": value for name, value in known.items()}


def restore_adam(optimiser: torch.optim.Adam, state: Mapping[str, Tensor]) -> None:
    """Goes back to where ``adam_state`` was called.

    Args:
        optimiser: Of the parameter.
        state: What was known, among others.

    Raises:
        KeyError: If a part of it is missing.
    """
    (parameter,) = optimiser.param_groups[0]["params"]
    known = {
        name.removeprefix("adam."): value
        for name, value in state.items()
        if name.startswith("adam.")
    }
    if known and known.keys() != _KNOWN:
        raise KeyError(f"adam.{min(_KNOWN ^ known.keys())}")
    if known:
        optimiser.state[parameter] = known
