"""AdamW that does not import torch's compiler.

torch's optimisers import the compiler when they are constructed and when they step, in
order to be excluded from compilation. The import takes as long as that of torch itself,
1 to 4 s, and is useless here, where the step is never compiled.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from robomtl.training.parameter_groups import Group

_add = inspect.unwrap(torch.optim.AdamW.add_param_group)
_step = inspect.unwrap(torch.optim.AdamW.step)


class AdamW(torch.optim.AdamW):
    """``torch.optim.AdamW`` without the decorators that import the compiler."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group of parameters with its own settings."""
        _add(self, param_group)

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Takes a step with the gradients of the parameters."""
        with torch.no_grad():
            return _step(self, closure)


def adamw(
    groups: Sequence[Group], tensors: Sequence[Sequence[Tensor]], rate: float
) -> AdamW:
    """AdamW with one parameter group for each group of settings.

    Args:
        groups: Settings of each group.
        tensors: Tensors that each group optimises.
        rate: Initial learning rate of all groups.
    """
    pairs = zip(groups, tensors, strict=True)
    return AdamW(
        [{"params": [*some], "weight_decay": g.weight_decay} for g, some in pairs],
        lr=rate,
        fused=True,
    )
