"""Weights of the tasks' losses, found while training.

Each method is a rule from the losses of a batch to the weights of the tasks' gradients.
Sources: uncertainty (Kendall et al. 2018, arXiv:1705.07115, equation 7), DWA (Liu et al.
2019, arXiv:1803.10704, equation 7), FAMO (Liu et al. 2023, arXiv:2306.03792, algorithm 1),
all three as torchjd has them; ``gradnorm`` is separate. Departures:

1. All weights are scaled so that they have mean 1 over the tasks when training begins,
   as a mean has: the largest norm of the gradient, ``max_grad_norm``, keeps its meaning. Kendall
   et al. sum, and halve; Liu et al. (DWA) sum.
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
    """Finds the weight of each task; what it learns goes into checkpoints."""

    def weights(self, losses: Tensor) -> Tensor:
        """Weights of the tasks' gradients; (task,).

        Args:
            losses: Mean loss of each task in a batch, detached; (task,).
        """
        ...

    def state(self) -> State:
        """All it has to know to go on."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes back to where ``state`` was called."""
        ...


class Fixed:
    """The same weights all along; only their ratios count.

    Args:
        given: Tasks and weights; 1 for those not named.
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
            raise InputError("All balancing.weights are 0; give one that is more.")
        self._weights = weights / weights.mean()

    def weights(self, losses: Tensor) -> Tensor:
        """With mean 1."""
        return self._weights.to(losses.device)

    def state(self) -> State:
        """Nothing."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Nothing."""


class Uncertainty:
    """Kendall et al. 2018, equation 7: Σ ½ exp(-s) loss + ½ s, over learnt s.

    Args:
        tasks: Number of tasks.
        rate: Learning rate of s.
    """

    def __init__(self, tasks: int, rate: float) -> None:
        self._sum = scalarization.UW(tasks)
        self._adam = torch.optim.Adam(self._sum.parameters(), lr=rate)

    def weights(self, losses: Tensor) -> Tensor:
        """exp(-s); takes a step on s as well."""
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
    """Liu et al. 2019, equation 7: tasks whose loss falls slowly weigh more.

    Args:
        window: Steps over which losses are averaged.
        softness: Temperature.
    """

    def __init__(self, window: int, softness: float) -> None:
        self._sum = scalarization.DWA(temperature=softness)
        self._window, self._step = window, 0

    def weights(self, losses: Tensor) -> Tensor:
        """With mean 1; even in the first two windows."""
        leaf = losses.clone().requires_grad_()
        self._sum(leaf).backward()  # type: ignore[no-untyped-call]
        self._step += 1
        if self._step % self._window == 0:
            self._sum.step()
        assert leaf.grad is not None
        return leaf.grad

    def state(self) -> State:
        """The sum of this window, and the means of the last two."""
        sums, means = self._sum._loss_sum, self._sum._previous_averages
        known = {"step": torch.tensor(self._step)}
        if sums is not None:
            known["sum"] = sums
        return known | {f"mean{place}": mean for place, mean in enumerate(means)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See ``Weigher``."""
        self._step = int(state["step"])
        self._sum._n_batches = self._step % self._window
        self._sum._loss_sum = state.get("sum")
        self._sum._previous_averages = [
            state[name] for name in ("mean0", "mean1") if name in state
        ]


class Famo:
    """Liu et al. 2023: losses fall at equal rates; learns from the loss after a step.

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
        """Proportional to z/loss, with mean 1 (departure 1)."""
        leaf = losses.clone().requires_grad_()
        self._sum(leaf).backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        return leaf.grad * len(losses)

    def learn(self, losses: Tensor) -> None:
        """Takes a step on the logits.

        Args:
            losses: Of the same batch, after the step on the policy; (task,).
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
    """The rule of this name, of those that need losses alone."""
    made: dict[str, Weigher] = {
        "fixed": Fixed(settings.weights, tasks),
        "uncertainty": Uncertainty(len(tasks), settings.rate),
        "dwa": Dwa(settings.window, settings.softness),
        "famo": Famo(len(tasks), settings.rate, settings.decay),
    }
    return made[name]


def check_positive_losses(name: str, losses: Tensor, tasks: Sequence[str]) -> None:
    """Makes sure that all losses are above 0.

    Raises:
        InputError: If one is not.
    """
    if losses.min() <= 0:
        place = int(losses.argmin())
        raise InputError(
            f"'{name}' needs losses above 0, and that of {tasks[place]} is"
            f" {losses[place].item():.4g}. A likelihood may be negative: train with an"
            " l1 or l2 loss, or weigh by 'fixed'."
        )
