"""The gradient of every task's loss, by the cheaper of two ways."""

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

        A layer's are rounded as its gradients are, which is less than their own error.
        """
        ...

    def combined(self, weights: Tensor) -> list[Tensor]:
        """The weighted sum of the gradients, by parameters.

        Args:
            weights: (task,).
        """
        ...


def task_gradients(scored: Scored, batch: Any, tasks: Sequence[str]) -> TaskGradients:
    """The gradient of each task's mean loss.

    Of networks of linear layers and layer norms from what these read and what came back
    (``factored``); of all others each written out (``stacked``).

    Args:
        scored: What is trained, and the loss.
        batch: Of the objective's kind.
        tasks: Names of all tasks.

    Raises:
        ValueError: If a task has no sample.
    """
    found = None
    if isinstance(batch, Batch) and scored.factors:
        found = factored(scored, batch, tasks)
        scored.factors = found is not None
    return found or stacked(scored, batch, tasks)
