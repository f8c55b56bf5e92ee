"""Gradients of all tasks' losses from one forward and one backward pass.

The gradient of a linear layer is a sum over rows of the products of the output's gradient
and the input. So one forward and one backward pass contain the gradients of all tasks, and
none has to be written out. Inner products of two gradients are sums over inner products of
their rows (Goodfellow 2015, "Efficient Per-Example Gradient Computations",
arXiv:1510.01799, equation for the norm, here between examples), and a weighted sum of all
is the gradient of the layer with its rows weighted. Fifty tasks cost little more than ten.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from robomtl.policy import Batch, Loss
from robomtl.training.recording import ElsewhereError, Recording, Use
from robomtl.training.scored import Scored, task_means

# Products of rows are faster than written-out gradients up to about this many times the
# arithmetic, as the gradients of all tasks do not fit into the caches.
_WORTH = 4


class _Factors(NamedTuple):
    """Gradient of one parameter, as the sum over rows of ``back`` times ``read``."""

    task: Tensor
    """Index of the task of each row; (row,)."""
    back: Tensor
    """Gradient of the summed losses of the tasks with respect to the layer's output;
    (row, output)."""
    read: Tensor | None
    """Input that the weight was multiplied with; (row, input). None for a parameter that
    was added."""

    def gramian(self, tasks: int) -> Tensor:
        """Inner products of the tasks' gradients; (task, task)."""
        member = functional.one_hot(self.task, tasks).float()
        if self.read is None:
            rows = member.mT @ self.back.float()
        elif self._few(self.read.shape[1]):
            read, back = self.read @ self.read.mT, self.back @ self.back.mT
            return member.mT @ (read.float() * back.float()) @ member
        else:
            rows = self._written_out(self.read, tasks)
        return (rows @ rows.mT).float()

    def combined(self, weights: Tensor) -> Tensor:
        """The weighted sum of the tasks' gradients; (output, input) or (output,)."""
        back = self.back * weights[self.task, None].to(self.back.dtype)
        return (back.sum(0) if self.read is None else back.mT @ self.read).float()

    def _few(self, inputs: int) -> bool:
        """Whether there are so few rows that products of rows are faster."""
        outputs = self.back.shape[1]
        return len(self.task) * (outputs + inputs) < _WORTH * outputs * inputs

    def _written_out(self, read: Tensor, tasks: int) -> Tensor:
        """The gradient of each task; (task, output · input)."""
        order = self.task.argsort(stable=True)
        counts = self.task.bincount(minlength=tasks).tolist()
        parts = torch.split(self.back[order], counts), torch.split(read[order], counts)
        rows = [(b.mT @ r).flatten() for b, r in zip(*parts, strict=True)]
        return torch.stack(rows)


class Factored(NamedTuple):
    """Gradients of the tasks as products of factors; see ``TaskGradients``."""

    factors: tuple[_Factors, ...]
    """Gradient factors of each parameter."""
    losses: Tensor
    """Mean loss of each task; (task,)."""
    loss: Loss
    """The loss of the batch, detached."""

    def gramian(self) -> Tensor:
        """See ``TaskGradients``."""
        tasks = len(self.losses)
        return torch.stack([each.gramian(tasks) for each in self.factors]).sum(0)

    def combined(self, weights: Tensor) -> list[Tensor]:
        """See ``TaskGradients``."""
        return [each.combined(weights) for each in self.factors]


def factored(scored: Scored, batch: Batch, tasks: Sequence[str]) -> Factored | None:
    """The gradient of each task's mean loss.

    Each sample's loss must depend on that sample alone.

    Args:
        scored: The policy with its loss.
        batch: Samples in any order.
        tasks: Names of all tasks.

    Returns:
        None if the network uses a parameter, or the input or output of a layer with
        parameters, other than as a linear layer or layer norm of each sample does.

    Raises:
        ValueError: If a task has no sample.
    """
    parameters = scored.computed()
    recording = Recording(parameters, len(batch.task))
    try:
        with recording:
            loss: Loss = functional_call(scored, parameters, (batch,))
        losses = task_means(loss.per_sample, batch.task, tasks)
        factors = _by_name(recording.uses, list(parameters), losses.sum(), batch.task)
    except ElsewhereError:
        return None
    metrics = {name: value.detach() for name, value in loss.metrics.items()}
    whole = Loss(loss.per_sample.detach(), metrics)
    return Factored(factors, losses.detach(), whole)


def _by_name(
    uses: Sequence[Use], names: Sequence[str], total: Tensor, task: Tensor
) -> tuple[_Factors, ...]:
    """The gradient factors of each parameter, in the order of their names.

    Args:
        uses: Recorded uses of the parameters.
        names: Names of the parameters.
        total: Sum of the tasks' losses; ().
        task: Index of the task of each sample; (sample,).

    Raises:
        ElsewhereError: If the recorded uses do not determine the gradient.
    """
    if any(use.output._version != use.version for use in uses):
        raise ElsewhereError  # An output was written to after its layer.
    outputs = [use.output for use in uses]
    backs = torch.autograd.grad(total, outputs, materialize_grads=True)
    factors: dict[str, list[_Factors]] = {name: [] for name in names}
    for use, back in zip(uses, backs, strict=True):
        for name, one in _factors(use, back, task).items():
            factors[name].append(one)
    if not all(factors.values()):
        raise ElsewhereError  # A parameter is unused, or its use was not recorded.
    return tuple(_joined(each) for each in factors.values())


def _factors(use: Use, back: Tensor, task: Tensor) -> dict[str, _Factors]:
    """The factors of one use, by the names of its parameters."""
    read = use.read.to(back.dtype).flatten(0, -2)
    back = back.flatten(0, -2)
    task = task.repeat_interleave(len(back) // len(task))
    factors = {}
    if use.weight is not None and use.scales:
        factors[use.weight] = _Factors(task, back * read, None)
    elif use.weight is not None:
        factors[use.weight] = _Factors(task, back, read)
    if use.bias is not None:
        factors[use.bias] = _Factors(task, back, None)
    return factors


def _joined(parts: Sequence[_Factors]) -> _Factors:
    """The factors of a parameter that is used several times: the rows of all uses."""
    if len(parts) == 1:
        return parts[0]
    task, back, read = zip(*parts, strict=True)
    if any(each is None for each in read):
        if not all(each is None for each in read):
            raise ElsewhereError  # Used as a weight in one call, as a bias in another.
        return _Factors(torch.cat(task), torch.cat(back), None)
    return _Factors(torch.cat(task), torch.cat(back), torch.cat(read))
