"""Affinity between tasks: the change in one task's loss after a step on another.

Source: Fifty et al. 2021, "Efficiently Identifying Task Groupings for Multi-Task
Learning" (arXiv:2109.04617), equation 1: the affinity of task i onto task j is
1 - (loss of j after a step on i) / (loss of j before). Departures:

1. A step changes all weights, not the shared ones alone: a policy that is conditioned on
   its task shares them all.
2. Steps are of gradient descent, each of the length that reduces the loss of its own task
   by the same fraction to first order: they are small at any time of a training, and no
   task seems to help others because its gradient is long.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.func import functional_call

from robomtl.errors import InputError
from robomtl.policy import Batch, Policy
from robomtl.training.gradients import task_gradients
from robomtl.training.objective import Cloning, Objective
from robomtl.training.scored import Scored, task_means
from robomtl.training.weighting import check_positive_losses


def task_affinity(
    policy: Policy,
    batch: Batch,
    tasks: Sequence[str],
    *,
    fraction: float = 0.01,
    objective: Objective | None = None,
) -> Tensor:
    """Affinity of every task onto every other; the policy is not changed.

    Args:
        policy: Policy at any stage of its training.
        batch: Samples of all tasks. Fastest if sorted by task with equally many of each,
            as ``Sampler.evenly`` draws them.
        tasks: Names of the tasks, by index.
        fraction: Fraction by which each step reduces the loss of its own task, to first order.
        objective: Training objective; behaviour cloning if None.

    Returns:
        Row i, column j: fraction by which a step on task i reduces the loss of task j;
        negative if the loss grows. (task, task)

    Raises:
        InputError: If a task has no sample, or ``fraction`` or a loss is not positive.
    """
    if not fraction > 0:
        raise InputError(f"fraction is {fraction}; give more than 0.")
    scored = Scored(policy, objective or Cloning(), torch.float32)
    gradients = task_gradients(scored, batch, tasks)
    check_positive_losses("task_affinity", gradients.losses, tasks)
    squares = gradients.gramian().diagonal()
    rows = []
    for index in range(len(tasks)):
        squared_norm = squares[index]
        scale = (
            fraction * gradients.losses[index] / squared_norm
            if squared_norm > 0
            else 0.0
        )
        gradient = gradients.combined(torch.eye(len(tasks)).to(squares)[index])
        stepped = {
            name: parameter.detach() - scale * layer
            for (name, parameter), layer in zip(
                scored.trained().items(), gradient, strict=True
            )
        }
        rows.append(1 - _losses(scored, stepped, batch, tasks) / gradients.losses)
    return torch.stack(rows)


@torch.no_grad()
def _losses(
    scored: Scored, parameters: Mapping[str, Tensor], batch: Batch, tasks: Sequence[str]
) -> Tensor:
    loss = functional_call(scored, dict(parameters), (batch,))
    return task_means(loss.per_sample, batch.task, tasks)
