"""The gradient of every task's loss, each written out.

Of any network, for two to three times the price of the batch's with ten tasks: they are
taken at once by ``torch.func.vmap``, or one by one, and kept by layers. What combines
them needs their inner products alone, the Gramian, which is a sum over layers, and one
weighted sum: they are never copied to one matrix.
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
    """Gradients by each of the parameters, as precise as they come; (task, …)."""
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
    """The gradient of each task's mean loss, of any network; see ``task_gradients``.

    Batches of frames that are sorted by task, equally many of each, take one pass; all
    others, such as those of problems, a pass back for each task.
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
        # Other kernels of attention have no rule for vmap.
        with _FloatNorms(), sdpa_kernel(SDPBackend.MATH):
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
    return Stacked(tuple(found.values()), losses, whole)


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
    """Layer norms compute in float32: under vmap they refuse bfloat16 beside float32."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is functional.layer_norm:
            return func(args[0].float(), *args[1:], **(kwargs or {})).to(args[0].dtype)
        return func(*args, **(kwargs or {}))
