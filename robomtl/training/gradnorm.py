"""Weights of the tasks' losses by the norms of their gradients.

Source: GradNorm, Chen et al. 2018, arXiv:1711.02257, algorithm 1. Departures:

1. Norms are those of the whole gradient, not of the last shared layer's: all layers of a
   policy that is conditioned on its task are shared.
2. No weight falls below 1 % of the mean.
3. The weights have their own Adam, at a constant rate.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from robomtl.training.adam_state import State, adam_state, restore_adam

_LEAST = 0.01  # Smallest weight; their mean is 1.


class GradNorm:
    """GradNorm: gradients of equal norm, but longer for tasks whose loss falls slowly.

    Args:
        tasks: Number of tasks.
        rate: Learning rate of the weights.
        asymmetry: α in the paper.
    """

    def __init__(self, tasks: int, rate: float, asymmetry: float) -> None:
        self._weights = torch.ones(tasks, requires_grad=True)
        self._adam = torch.optim.Adam([self._weights], lr=rate)
        self._asymmetry = asymmetry
        self._first: Tensor | None = None

    def weights(self, losses: Tensor, norms: Tensor) -> Tensor:
        """The weights learned so far, with mean 1; then takes a step on them.

        Args:
            losses: Mean loss of each task; (task,).
            norms: Norm of each task's gradient; (task,).
        """
        self._first = losses.clone() if self._first is None else self._first
        weights = self._weights.detach().clone()
        target = gradnorm_target(weights * norms, losses / self._first, self._asymmetry)
        self._adam.zero_grad()
        (self._weights * norms - target).abs().sum().backward()  # type: ignore[no-untyped-call]
        self._adam.step()
        with torch.no_grad():
            self._weights.clamp_(min=_LEAST)  # Departure 2.
            self._weights /= self._weights.mean()
        return weights

    def state(self) -> State:
        """The weights, their Adam, and the losses at the start."""
        first = {} if self._first is None else {"first": self._first}
        return {"logits": self._weights.detach(), **first, **adam_state(self._adam)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restores a state that ``state`` returned."""
        self._weights.data.copy_(state["logits"])
        self._first = state.get("first")
        restore_adam(self._adam, state)


def gradnorm_target(norms: Tensor, ratios: Tensor, asymmetry: float) -> Tensor:
    """Target norms of the weighted gradients, mean norm · r^α; (task,).

    Here r is a task's ratio divided by the mean ratio.

    Args:
        norms: Norms of the weighted gradients; (task,).
        ratios: Loss of each task divided by its initial loss; (task,).
        asymmetry: α.
    """
    return norms.mean() * (ratios / ratios.mean()) ** asymmetry
