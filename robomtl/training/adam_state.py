"""State of an Adam optimiser of one parameter as named tensors, for checkpoints."""

from collections.abc import Mapping

import torch
from torch import Tensor

_KNOWN = {"step", "exp_avg", "exp_avg_sq"}

State = dict[str, Tensor]
"""Tensors by name from which training resumes."""


def adam_state(optimiser: torch.optim.Adam) -> State:
    """Adam's state of its only parameter; empty before the first step."""
    (parameter,) = optimiser.param_groups[0]["params"]
    known: State = optimiser.state[parameter]
    return {f"adam.{name}": value for name, value in known.items()}


def restore_adam(optimiser: torch.optim.Adam, state: Mapping[str, Tensor]) -> None:
    """Restores the state that ``adam_state`` returned.

    Args:
        optimiser: Optimiser of one parameter.
        state: The saved state; tensors of other components are ignored.

    Raises:
        KeyError: If one of Adam's tensors is missing or unknown.
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
