"""Gradients of all tasks' losses, each written out, for any network.

With ten tasks they take two to three times as long as the gradient of the batch. They are
computed at once by ``torch.func.vmap``, or one by one, and kept layer by layer. Combining
them needs only the Gramian of their inner products, which is a sum over layers, and one
weighted sum: they are never copied into one matrix.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from robomtl.policy import Batch, Loss
from robomtl.training.scored import Scored, task_means

_CACHED = 16_384  # Weights whose gradients of ten tasks fit a cache in float32.


class Stacked(NamedTuple):
    """Gradients of the tasks, each written out; see ``TaskGradients``."""

    layers: tuple[Tensor, ...]
    """Gradients of each parameter, in the precision that they were computed in; (task, …)."""
    losses: Tensor
    """Mean loss of each task; (task,)."""
    loss: Loss
    """The loss of the batch, detached."""

    def gramian(self) -> Tensor:
        """See ``TaskGradients``."""
        rows = [layer.flatten(1) for layer in self.layers]
        return torch.stack([(row @ row.mT).float() for row in rows]).sum(0)

    def combined(self, weights: Tensor) -> list[Tensor]:
        """See ``TaskGradients``."""
        return [_combined(weights, layer) for layer in self.layers]


def _combined(weights: Tensor, layer: Tensor) -> Tensor:
    parts = torch.split(layer.flatten(1), _CACHED, 1)
    sums = [weights @ part.float() for part in parts]
    return torch.cat(sums).view(layer.shape[1:])


def stacked(scored: Scored, batch: Any, tasks: Sequence[str]) -> Stacked:
    """The gradient of each task's mean loss, for any network; see ``task_gradients``.

    Batches of frames that are sorted by task, equally many of each, need one pass; other
    batches, such as those of problems, need one backward pass for each task.
    """
    if isinstance(batch, Batch) and _is_even(batch.task, len(tasks)):
        return _at_once(scored, batch, len(tasks))
    return _one_by_one(scored, batch, tasks)


def _is_even(task: Tensor, tasks: int) -> bool:
    each = len(task) // tasks
    expected = torch.arange(tasks, device=task.device).repeat_interleave(each)
    return bool(each) and torch.equal(task, expected)


def _at_once(scored: Scored, batch: Batch, tasks: int) -> Stacked:
    split = tree_map(lambda part: part.unflatten(0, (tasks, -1)), batch)
    parameters = scored.computed()

    def mean_loss(
        parameters: Mapping[str, Tensor], part: Batch
    ) -> tuple[Tensor, tuple[Tensor, Loss]]:
        # Other kernels of attention do not support vmap.
        with _FloatNorms(), sdpa_kernel(SDPBackend.MATH):
            loss: Loss = functional_call(scored, dict(parameters), (part,))
        mean = loss.per_sample.mean()
        return mean, (mean, loss)

    by_task = vmap(
        grad(mean_loss, has_aux=True),
        in_dims=(None, 0),
        randomness="different",
    )
    gradients, (losses, loss) = by_task(parameters, split)
    whole = Loss(
        loss.per_sample.flatten(),
        {name: value.mean() for name, value in loss.metrics.items()},
    )
    return Stacked(tuple(gradients.values()), losses, whole)


def _one_by_one(scored: Scored, batch: Any, tasks: Sequence[str]) -> Stacked:
    parameters = list(scored.trained().values())
    loss: Loss = scored(batch)
    losses = task_means(loss.per_sample, batch.task, tasks)
    rows = [
        torch.autograd.grad(each, parameters, retain_graph=True, materialize_grads=True)
        for each in losses
    ]
    layers = tuple(torch.stack(column) for column in zip(*rows, strict=True))
    detached = Loss(loss.per_sample.detach(), loss.metrics)
    return Stacked(layers, losses.detach(), detached)


class _FloatNorms(TorchFunctionMode):
    """Computes layer norms in float32, as vmap refuses bfloat16 with float32 weights."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is functional.layer_norm:
            return func(args[0].float(), *args[1:], **(kwargs or {})).to(args[0].dtype)
        return func(*args, **(kwargs or {}))
