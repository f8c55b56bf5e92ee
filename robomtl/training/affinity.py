"""How a step on one task changes the loss of another.

Source: Fifty et al. 2021, "Efficiently Identifying Task Groupings for Multi-Task
Learning" (arXiv:2109.04617), equation 1: the affinity of task i onto task j is
1 - (loss of j after a step on i) / (loss of j before). Departures:

1. All weights are stepped on, not the shared ones alone: a policy that is conditioned on its task
   shares them all.
2. Steps are of gradient descent, each so long that to first order it takes the same
   part off the loss of its own task: so they are small at any time of a training, and
   no task seems to help others because its gradient is long.
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
    part: float = 0.01,
    objective: Objective | None = None,
) -> Tensor:
    """The affinity of every task onto every other; the policy stays as it is.

    Args:
        policy: Wherever it is in its training.
        batch: Samples of all tasks; quickest where sorted by task, equally many of each,
            as ``Sampler.evenly`` draws them.
        tasks: Names of the tasks, by index.
        part: What each step takes off the loss of its own task, to first order.
        objective: What is minimised; cloning if None.

    Returns:
        Row i, column j: part of the loss of task j that a step on task i takes away;
        negative where it adds. (task, task)

    Raises:
        InputError: If a task has no sample, the part is not positive, or a loss is not
            above 0, of which there are no parts.
    """
    if not part > 0:
        raise InputError(f"part is {part}; give more than 0.")
    scored = Scored(policy, objective or Cloning(), torch.float32)
    found = task_gradients(scored, batch, tasks)
    check_positive_losses("task_affinity", found.losses, tasks)
    squares = found.gramian().diagonal()
    rows = []
    for place in range(len(tasks)):
        own = squares[place]
        scale = part * found.losses[place] / own if own > 0 else 0.0
        gradient = found.combined(torch.eye(len(tasks)).to(squares)[place])
        moved = {
            name: parameter.detach() - scale * layer
            for (name, parameter), layer in zip(
                scored.trained().items(), gradient, strict=True
            )
        }
        rows.append(1 - _losses(scored, moved, batch, tasks) / found.losses)
    return torch.stack(rows)


@torch.no_grad()
def _losses(
    scored: Scored, parameters: Mapping[str, Tensor], batch: Batch, tasks: Sequence[str]
) -> Tensor:
    loss = functional_call(scored, dict(parameters), (batch,))
    return task_means(loss.per_sample, batch.task, tasks)
