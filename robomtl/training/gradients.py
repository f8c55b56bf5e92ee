"""The gradient of every task's loss, for the price of about two of the batch's.

The gradients of all tasks are taken at once by ``torch.func.vmap`` and kept by layers.
What combines them needs their inner products alone, the Gramian, which is a sum over
layers, and one weighted sum: they are never copied to one matrix.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from robomtl.policy import Batch, Loss, Policy
from robomtl.training.objective import Objective

_CACHED = 16_384  # Weights whose gradients of ten tasks fit a cache in float32.


class TaskGradients(NamedTuple):
    """What one batch says of every task."""

    layers: tuple[Tensor, ...]
    """Gradients by each of the parameters, as precise as they come; (task, …)."""
    losses: Tensor
    """Mean loss of each task; (task,)."""
    loss: Loss
    """That of the batch, detached."""

    def gramian(self) -> Tensor:
        """Inner products of the tasks' gradients; (task, task).

        A layer's are rounded as its gradients are, which is less than their own error.
        """
        rows = [layer.flatten(1) for layer in self.layers]
        return torch.stack([(row @ row.mT).float() for row in rows]).sum(0)

    def combined(self, weights: Tensor) -> list[Tensor]:
        """The weighted sum of the gradients, by parameters.

        Args:
            weights: (task,).
        """
        return [_combined(weights, layer) for layer in self.layers]


def _combined(weights: Tensor, layer: Tensor) -> Tensor:
    parts = torch.split(layer.flatten(1), _CACHED, 1)
    sums = [weights @ part.float() for part in parts]
    return torch.cat(sums).view(layer.shape[1:])


class Scored(nn.Module):
    """A policy whose ``forward`` is an objective's loss, in the run's precision.

    Args:
        policy: What is trained.
        objective: What is minimised.
        precision: Type of the network's arithmetic.
    """

    def __init__(
        self, policy: Policy, objective: Objective, precision: torch.dtype
    ) -> None:
        super().__init__()
        self.policy = policy
        self._objective, self.precision = objective, precision

    def forward(self, batch: Any) -> Loss:
        """The loss of each sample."""
        device = next(self.policy.parameters()).device.type
        mixed = self.precision != torch.float32
        with torch.autocast(device, self.precision, enabled=mixed):
            return self._objective.loss(self.policy, batch)

    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that are trained, by name."""
        return {n: p for n, p in self.named_parameters() if p.requires_grad}


def task_means(per_sample: Tensor, task: Tensor, tasks: Sequence[str]) -> Tensor:
    """The mean loss of each task; (task,).

    Args:
        per_sample: (sample,).
        task: Index of the task of each; (sample,).
        tasks: Names of all.

    Raises:
        ValueError: If a task has no sample.
    """
    counts = task.bincount(minlength=len(tasks))
    missing = [name for name, count in zip(tasks, counts, strict=True) if not count]
    if missing:
        raise ValueError(
            f"The batch holds no sample of {', '.join(missing)}; weighing tasks needs all"
            f" {len(tasks)} in every batch. Let the objective draw that many problems, or"
            " leave weighting 'fixed' and aggregation 'mean'."
        )
    sums = per_sample.new_zeros(len(tasks))
    return sums.index_add(0, task, per_sample) / counts


def task_gradients(scored: Scored, batch: Any, tasks: Sequence[str]) -> TaskGradients:
    """The gradient of each task's mean loss.

    Batches of frames that are sorted by task, equally many of each, take one pass; all
    others, such as those of problems, a pass back for each task.

    Args:
        scored: What is trained, and the loss.
        batch: Of the objective's kind.
        tasks: Names of all tasks.

    Raises:
        ValueError: If a task has no sample.
    """
    if isinstance(batch, Batch) and _is_even(batch.task, len(tasks)):
        return _at_once(scored, batch, len(tasks))
    return _one_by_one(scored, batch, tasks)


def _is_even(task: Tensor, tasks: int) -> bool:
    each = len(task) // tasks
    expected = torch.arange(tasks, device=task.device).repeat_interleave(each)
    return bool(each) and torch.equal(task, expected)


def _at_once(scored: Scored, batch: Batch, tasks: int) -> TaskGradients:
    split = tree_map(lambda part: part.unflatten(0, (tasks, -1)), batch)
    parameters = _as_computed(scored)

    def mean_loss(
        parameters: Mapping[str, Tensor], part: Batch
    ) -> tuple[Tensor, tuple[Tensor, Loss]]:
        with _FloatNorms():
            loss: Loss = functional_call(scored, dict(parameters), (part,))
        mean = loss.per_sample.mean()
        return mean, (mean, loss)

    by_task = vmap(
        grad(mean_loss, has_aux=True),
        in_dims=(None, 0),
        randomness="different",
    )
    found, (losses, loss) = by_task(parameters, split)
    whole = Loss(
        loss.per_sample.flatten(),
        {name: value.mean() for name, value in loss.metrics.items()},
    )
    return TaskGradients(tuple(found.values()), losses, whole)


def _as_computed(scored: Scored) -> dict[str, Tensor]:
    """The trained parameters, those of linear layers in the run's precision.

    Autocast would take them so, and turn their gradients, of every task, to float32.
    """
    linear = {
        f"{place}.{name}"
        for place, module in scored.named_modules()
        if type(module) is nn.Linear
        for name, _ in module.named_parameters()
    }
    return {
        name: parameter.detach().to(scored.precision)
        if name in linear
        else parameter.detach()
        for name, parameter in scored.trained().items()
    }


def _one_by_one(scored: Scored, batch: Any, tasks: Sequence[str]) -> TaskGradients:
    parameters = list(scored.trained().values())
    loss: Loss = scored(batch)
    losses = task_means(loss.per_sample, batch.task, tasks)
    rows = [
        torch.autograd.grad(each, parameters, retain_graph=True, materialize_grads=True)
        for each in losses
    ]
    layers = tuple(torch.stack(column) for column in zip(*rows, strict=True))
    detached = Loss(loss.per_sample.detach(), loss.metrics)
    return TaskGradients(layers, losses.detach(), detached)


class _FloatNorms(TorchFunctionMode):
    """Layer norms compute in float32: under vmap they refuse bfloat16 beside float32."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is functional.layer_norm:
            return func(args[0].float(), *args[1:], **(kwargs or {})).to(args[0].dtype)
        return func(*args, **(kwargs or {}))
