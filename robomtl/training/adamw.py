"""AdamW that starts at once.

torch's optimisers import torch's compiler when they are made and when they step, so as
not to be compiled: as long as importing torch itself, 1 to 4 s, and for nothing where
the step is not compiled, as ours never is.
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
    """The same optimiser without what keeps a compiler away from it."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with settings of their own."""
        _add(self, param_group)

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Takes a step along the gradients that the parameters hold."""
        with torch.no_grad():
            return _step(self, closure)


def adamw(
    groups: Sequence[Group], tensors: Sequence[Sequence[Tensor]], rate: float
) -> AdamW:
    """AdamW with the settings of some groups.

    Args:
        groups: Settings.
        tensors: What each group optimises.
        rate: Learning rate until one is set.
    """
    pairs = zip(groups, tensors, strict=True)
    return AdamW(
        [{"params": [*some], "weight_decay": g.weight_decay} for g, some in pairs],
        lr=rate,
        fused=True,
    )
