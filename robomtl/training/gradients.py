"""Gradients of all tasks' losses, by the cheaper of two methods."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from robomtl.policy import Batch, Loss
from robomtl.training.factored import factored
from robomtl.training.scored import Scored
from robomtl.training.stacked import stacked


class TaskGradients(Protocol):
    """The gradients of the tasks' mean losses on one batch."""

    @property
    def losses(self) -> Tensor:
        """Mean loss of each task; (task,)."""
        ...

    @property
    def loss(self) -> Loss:
        """The loss of the batch, detached."""
        ...

    def gramian(self) -> Tensor:
        """Inner products of the tasks' gradients; (task, task).

        Their rounding is that of the gradients, and smaller than the gradients' error.
        """
        ...

    def combined(self, weights: Tensor) -> list[Tensor]:
        """The weighted sum of the tasks' gradients, one tensor for each parameter.

        Args:
            weights: Weight of each task; (task,).
        """
        ...


def task_gradients(scored: Scored, batch: Any, tasks: Sequence[str]) -> TaskGradients:
    """The gradient of each task's mean loss.

    Networks of linear layers and layer norms need one forward and one backward pass, see
    ``factored``; in all others each gradient is written out, see ``stacked``.

    Args:
        scored: The policy with its loss.
        batch: Batch of the objective's kind.
        tasks: Names of all tasks.

    Raises:
        ValueError: If a task has no sample.
    """
    gradients = None
    if isinstance(batch, Batch) and scored.factors:
        gradients = factored(scored, batch, tasks)
        scored.factors = gradients is not None
    return gradients or stacked(scored, batch, tasks)
