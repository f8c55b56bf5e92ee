"""A policy and its objective as one module, and the mean losses of tasks."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from robomtl.errors import InputError
from robomtl.policy import Loss, Policy
from robomtl.policy_contract import check_loss
from robomtl.training.objective import Objective


class Scored(nn.Module):
    """Module whose ``forward`` is an objective's loss of a policy, in the run's precision.

    Args:
        policy: Policy in training.
        objective: Training objective.
        precision: Type of the network's arithmetic.
    """

    def __init__(
        self, policy: Policy, objective: Objective, precision: torch.dtype
    ) -> None:
        super().__init__()
        self.policy = policy
        self._objective, self.precision = objective, precision
        self.factors = True
        """Whether its gradients can be ``factored``; True until that has failed."""

    def forward(self, batch: Any) -> Loss:
        """The loss of each sample.

        Raises:
            InputError: If the objective returns anything else.
        """
        device = next(self.policy.parameters()).device.type
        mixed = self.precision != torch.float32
        with torch.autocast(device, self.precision, enabled=mixed):
            loss = self._objective.loss(self.policy, batch)
        check_loss(self._objective, loss, len(batch.task))
        return loss

    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that are trained, by name."""
        return {n: p for n, p in self.named_parameters() if p.requires_grad}

    def computed(self) -> dict[str, Tensor]:
        """The trained parameters, those of linear layers cast to the run's precision.

        Autocast would cast them too, but convert the gradients of every task to float32.
        """
        linear = {
            f"{prefix}.{name}"
            for prefix, module in self.named_modules()
            if type(module) is nn.Linear
            for name, _ in module.named_parameters()
        }
        return {
            name: parameter.detach().to(self.precision)
            if name in linear
            else parameter.detach()
            for name, parameter in self.trained().items()
        }


def check_differentiable(loss: Tensor) -> None:
    """Checks that a loss depends on a trained parameter.

    Raises:
        InputError: If it depends on none.
    """
    if not loss.requires_grad:
        raise InputError(
            "The loss depends on no parameter that is trained; compute it in the policy's"
            " loss without detach() and torch.no_grad()."
        )


def task_means(per_sample: Tensor, task: Tensor, tasks: Sequence[str]) -> Tensor:
    """The mean loss of each task; (task,).

    Args:
        per_sample: Loss of each sample; (sample,).
        task: Index of the task of each sample; (sample,).
        tasks: Names of all tasks.

    Raises:
        InputError: If a task has no sample.
    """
    counts = task.bincount(minlength=len(tasks))
    missing = [name for name, count in zip(tasks, counts, strict=True) if not count]
    if missing:
        raise InputError(
            f"The batch has no sample of {', '.join(missing)}; weighting tasks needs all"
            f" {len(tasks)} in every batch. Let the objective draw that many problems, or"
            " leave weighting 'fixed' and aggregation 'mean'."
        )
    sums = per_sample.new_zeros(len(tasks))
    return sums.index_add(0, task, per_sample) / counts
