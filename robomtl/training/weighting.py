"""Weights of the tasks' losses, fixed or learned during training.

Each method maps the mean losses of a batch to the weights of the tasks' gradients.
Sources: uncertainty (Kendall et al. 2018, arXiv:1705.07115, equation 7), DWA (Liu et al.
2019, arXiv:1803.10704, equation 7), FAMO (Liu et al. 2023, arXiv:2306.03792, algorithm 1),
all three in torchjd's implementation; ``gradnorm`` is a separate module. Departures:

1. Weights are scaled so that their mean over the tasks is 1 when training begins, as for the
   mean of the losses: ``max_grad_norm`` then keeps its meaning. Kendall et al. sum and halve
   the losses; Liu et al. (DWA) sum them.
2. The log-variances have their own Adam, at a constant rate.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torchjd import scalarization

from robomtl.errors import InputError
from robomtl.nearest import check_known
from robomtl.training.adam_state import State, adam_state, restore_adam
from robomtl.training.balancing import Balancing


class Weigher(Protocol):
    """Rule for the weight of each task; its state is saved in checkpoints."""

    def weights(self, losses: Tensor) -> Tensor:
        """Weights of the tasks' gradients; (task,).

        Args:
            losses: Mean loss of each task in a batch, detached; (task,).
        """
        ...

    def state(self) -> State:
        """State from which the rule resumes."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restores a state that ``state`` returned."""
        ...


class Fixed:
    """Constant weights, of which only the ratios matter.

    Args:
        given: Tasks and weights; a task that is not named has weight 1.
        tasks: Names of all tasks.

    Raises:
        InputError: If a task is unknown, or every weight is 0.
    """

    def __init__(
        self, given: Sequence[tuple[str, float]], tasks: Sequence[str]
    ) -> None:
        for name, _ in given:
            check_known("task in balancing.weights", name, tasks)
        weights = torch.tensor([float(dict(given).get(name, 1)) for name in tasks])
        if not weights.sum() > 0:
            raise InputError("All balancing.weights are 0; give one above 0.")
        self._weights = weights / weights.mean()

    def weights(self, losses: Tensor) -> Tensor:
        """The fixed weights, with mean 1; (task,)."""
        return self._weights.to(losses.device)

    def state(self) -> State:
        """Empty, as nothing is learned."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Does nothing."""


class Uncertainty:
    """Kendall et al. 2018, equation 7: Σ ½ exp(-s) loss + ½ s, over learned s.

    Args:
        tasks: Number of tasks.
        rate: Learning rate of s.
    """

    def __init__(self, tasks: int, rate: float) -> None:
        self._sum = scalarization.UW(tasks)
        self._adam = torch.optim.Adam(self._sum.parameters(), lr=rate)

    def weights(self, losses: Tensor) -> Tensor:
        """The weights exp(-s), from before a step on s that is taken here; (task,)."""
        leaf = losses.clone().requires_grad_()
        self._adam.zero_grad()
        self._sum(leaf).backward()  # type: ignore[no-untyped-call]
        self._adam.step()
        assert leaf.grad is not None
        return 2 * leaf.grad  # Departure 1.

    def state(self) -> State:
        """The log-variances and their Adam."""
        return {"logits": self._sum.log_var.detach(), **adam_state(self._adam)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See ``Weigher``."""
        self._sum.log_var.data.copy_(state["logits"])
        restore_adam(self._adam, state)


class Dwa:
    """Liu et al. 2019, equation 7: larger weights for tasks whose loss falls slowly.

    Args:
        window: Steps over which losses are averaged.
        softness: Temperature of the weights; larger is more even.
    """

    def __init__(self, window: int, softness: float) -> None:
        self._sum = scalarization.DWA(temperature=softness)
        self._window, self._step = window, 0

    def weights(self, losses: Tensor) -> Tensor:
        """The weights, with mean 1 and equal in the first two windows; (task,)."""
        leaf = losses.clone().requires_grad_()
        self._sum(leaf).backward()  # type: ignore[no-untyped-call]
        self._step += 1
        if self._step % self._window == 0:
            self._sum.step()
        assert leaf.grad is not None
        return leaf.grad

    def state(self) -> State:
        """Step, sum of the losses in this window, and mean losses of the last two."""
        sums, means = self._sum._loss_sum, self._sum._previous_averages
        state = {"step": torch.tensor(self._step)}
        if sums is not None:
            state["sum"] = sums
        return state | {f"mean{index}": mean for index, mean in enumerate(means)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See ``Weigher``."""
        self._step = int(state["step"])
        self._sum._n_batches = self._step % self._window
        self._sum._loss_sum = state.get("sum")
        self._sum._previous_averages = [
            state[name] for name in ("mean0", "mean1") if name in state
        ]


class Famo:
    """Liu et al. 2023: learns weights by which all losses fall at equal rates.

    Args:
        tasks: Number of tasks.
        rate: Learning rate of the logits.
        decay: Weight decay of the logits.
    """

    def __init__(self, tasks: int, rate: float, decay: float) -> None:
        self._sum = scalarization.FAMO(tasks, lr=rate, weight_decay=decay)
        self._sum._optimizer = torch.optim.Adam(
            [self._sum._w], lr=rate, weight_decay=decay
        )

    def weights(self, losses: Tensor) -> Tensor:
        """The weights, proportional to z/loss (departure 1); (task,)."""
        leaf = losses.clone().requires_grad_()
        self._sum(leaf).backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        return leaf.grad * len(losses)

    def learn(self, losses: Tensor) -> None:
        """Takes a step on the logits.

        Args:
            losses: Mean losses of the same batch after the step on the policy; (task,).
        """
        self._sum.update(losses)

    def state(self) -> State:
        """The logits and their Adam."""
        assert self._sum._optimizer is not None
        return {"logits": self._sum._w.detach(), **adam_state(self._sum._optimizer)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See ``Weigher``."""
        assert self._sum._optimizer is not None
        self._sum._w.data.copy_(state["logits"])
        restore_adam(self._sum._optimizer, state)


def by_losses(name: str, settings: Balancing, tasks: Sequence[str]) -> Weigher:
    """The rule of a name, among those that need the losses alone."""
    made: dict[str, Weigher] = {
        "fixed": Fixed(settings.weights, tasks),
        "uncertainty": Uncertainty(len(tasks), settings.rate),
        "dwa": Dwa(settings.window, settings.softness),
        "famo": Famo(len(tasks), settings.rate, settings.decay),
    }
    return made[name]


def check_positive_losses(name: str, losses: Tensor, tasks: Sequence[str]) -> None:
    """Checks that the losses of all tasks are positive.

    Raises:
        InputError: If one is not.
    """
    if losses.min() <= 0:
        index = int(losses.argmin())
        raise InputError(
            f"'{name}' needs losses above 0, and that of {tasks[index]} is"
            f" {losses[index].item():.4g}. A likelihood may be negative: train with an"
            " l1 or l2 loss, or with weighting 'fixed'."
        )
