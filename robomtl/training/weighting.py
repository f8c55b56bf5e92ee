"""Weights of the tasks' losses, found while training.

Each method is a rule from the losses of a batch to the weights of the tasks' gradients.
Sources: uncertainty (Kendall et al. 2018, arXiv:1705.07115, equation 7), DWA (Liu et al.
2019, arXiv:1803.10704, equation 7), FAMO (Liu et al. 2023, arXiv:2306.03792, algorithm 1),
all three as torchjd has them; GradNorm (Chen et al. 2018, arXiv:1711.02257, algorithm 1).
Departures:

1. All weights are scaled so that they have mean 1 over the tasks when training begins,
   as a mean has: the largest norm of the gradient, ``clip``, keeps its meaning. Kendall
   et al. sum, and halve; Liu et al. (DWA) sum.
2. The log-variances have an Adam of their own, at a constant rate.
3. GradNorm's norms are those of the whole gradient, not of the last shared layer's: no
   layer of a policy that is told its task is more shared than another. No weight falls
   below 1 % of the mean.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torchjd import scalarization

from robomtl.nearest import unknown
from robomtl.training.balancing import Balancing

_LEAST = 0.01  # Of a GradNorm weight.

State = dict[str, Tensor]


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
        ValueError: If a task is unknown, or every weight is 0.
    """

    def __init__(
        self, given: Sequence[tuple[str, float]], tasks: Sequence[str]
    ) -> None:
        for name, _ in given:
            if name not in tasks:
                raise ValueError(unknown("task in balancing.weights", name, tasks))
        weights = torch.tensor([float(dict(given).get(name, 1)) for name in tasks])
        if not weights.sum() > 0:
            raise ValueError("All balancing.weights are 0; give one that is more.")
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
        return {"logits": self._sum.log_var.detach(), **_adam(self._adam)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See ``Weigher``."""
        self._sum.log_var.data.copy_(state["logits"])
        _restore_adam(self._adam, state)


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
        return {"logits": self._sum._w.detach(), **_adam(self._sum._optimizer)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See ``Weigher``."""
        assert self._sum._optimizer is not None
        self._sum._w.data.copy_(state["logits"])
        _restore_adam(self._sum._optimizer, state)


class GradNorm:
    """Chen et al. 2018: gradients of equal norm, longer for tasks that fall slowly.

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
        """Those found so far, with mean 1; takes a step on them as well.

        Args:
            losses: Mean loss of each task; (task,).
            norms: Norm of the gradient of each; (task,).
        """
        self._first = losses.clone() if self._first is None else self._first
        weights = self._weights.detach().clone()
        target = gradnorm_target(weights * norms, losses / self._first, self._asymmetry)
        self._adam.zero_grad()
        (self._weights * norms - target).abs().sum().backward()  # type: ignore[no-untyped-call]
        self._adam.step()
        with torch.no_grad():
            self._weights.clamp_(min=_LEAST)  # Departure 3.
            self._weights /= self._weights.mean()
        return weights

    def state(self) -> State:
        """The weights, their Adam, and the losses at the start."""
        first = {} if self._first is None else {"first": self._first}
        return {"logits": self._weights.detach(), **first, **_adam(self._adam)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See ``Weigher``."""
        self._weights.data.copy_(state["logits"])
        self._first = state.get("first")
        _restore_adam(self._adam, state)


def gradnorm_target(norms: Tensor, ratios: Tensor, asymmetry: float) -> Tensor:
    """Norms that weighted gradients should have: mean norm · r^α; (task,).

    Args:
        norms: Those they have; (task,).
        ratios: Each loss over the task's first; (task,).
        asymmetry: α.
    """
    return norms.mean() * (ratios / ratios.mean()) ** asymmetry


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
        ValueError: If one is not.
    """
    if losses.min() <= 0:
        place = int(losses.argmin())
        raise ValueError(
            f"'{name}' needs losses above 0, and that of {tasks[place]} is"
            f" {losses[place].item():.4g}. A likelihood may be negative: train with an"
            " l1 or l2 loss, or weigh by 'fixed'."
        )


def _adam(optimiser: torch.optim.Adam) -> State:
    (parameter,) = optimiser.param_groups[0]["params"]
    known: State = optimiser.state[parameter]
    return {f"adam.{name}": value for name, value in known.items()}


def _restore_adam(optimiser: torch.optim.Adam, state: Mapping[str, Tensor]) -> None:
    (parameter,) = optimiser.param_groups[0]["params"]
    known = {
        name.removeprefix("adam."): value
        for name, value in state.items()
        if name.startswith("adam.")
    }
    if known:
        optimiser.state[parameter] = known
