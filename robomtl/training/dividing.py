"""Gradient of a batch whose parts are computed in sequence or by several processes.

The mean over the whole batch is minimised, as if it were computed at once: each part adds
the contribution of its samples to the gradient, and the gradients of all processes are
summed before the step. Results differ from those of one part by the rounding of sums.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from robomtl.policy import Loss
from robomtl.training.combining import Combiner, Weighing, check_finite
from robomtl.training.divided import Divided
from robomtl.training.processes import Processes
from robomtl.training.scored import Scored, task_means
from robomtl.training.weighting import Weigher


class Dividing(Combiner):
    """Minimises the mean over a divided batch, each sample with its task's fixed weight.

    Args:
        processes: Processes that compute the other parts.
        weigher: Fixed weights of the tasks; None for equal weights of the samples.
    """

    def __init__(self, processes: Processes, weigher: Weigher | None) -> None:
        self._processes, self._weigher = processes, weigher

    def backward(self, scored: Scored, batch: Divided) -> Loss:
        """See ``Combiner``; returns the loss of the whole batch."""
        losses = [self._part(scored, part, len(batch.task)) for part in batch.parts]
        computed = torch.cat([loss.per_sample.detach() for loss in losses])
        whole = whole_losses(computed, batch, self._processes)
        loss = Loss(whole, _mean_metrics(losses))
        check_finite(self._weighted(whole, batch.task).mean(), loss)
        return loss

    def _part(self, scored: Scored, part: Any, samples: int) -> Loss:
        loss: Loss = scored(part)
        contribution = self._weighted(loss.per_sample, part.task).sum() / samples
        contribution.backward()  # type: ignore[no-untyped-call]
        return loss

    def _weighted(self, per_sample: Tensor, task: Tensor) -> Tensor:
        if self._weigher is None:
            return per_sample
        self.weights = self._weigher.weights(per_sample)
        return per_sample * self.weights[task]


class DividedWeighing(Weighing):
    """Weights the tasks of a batch of which each process computes one part.

    Args:
        name: Name of the rule, for messages.
        weigher: The rule; it learns the same in every process.
        tasks: Names of the tasks.
        processes: Processes that compute the other parts.
    """

    def __init__(
        self,
        name: str,
        weigher: Weigher,
        tasks: Sequence[str],
        *,
        processes: Processes,
    ) -> None:
        super().__init__(name, weigher, tasks)
        self._processes = processes

    def means(self, scored: Scored, batch: Divided) -> tuple[Loss, Tensor, Tensor]:
        """See ``Weighing``; loss and means are of the whole batch."""
        (part,) = batch.parts
        loss: Loss = scored(part)
        whole = whole_losses(loss.per_sample.detach(), batch, self._processes)
        means = task_means(whole, batch.task, self._tasks)
        sums = torch.zeros_like(means).index_add(0, part.task, loss.per_sample)
        counts = batch.task.bincount(minlength=len(self._tasks))
        return Loss(whole, loss.metrics), sums / counts, means


def whole_losses(losses: Tensor, batch: Divided, processes: Processes) -> Tensor:
    """The loss of each sample of a whole batch; (sample,).

    Args:
        losses: Losses of the samples that this process computed; (own sample,).
        batch: The divided batch, with the indices of these samples.
        processes: Processes that computed the other samples.
    """
    whole = losses.new_zeros(len(batch.task))
    whole[batch.samples] = losses
    processes.add_up([whole])
    return whole


def _mean_metrics(losses: Sequence[Loss]) -> dict[str, Tensor]:
    """Metrics averaged over the samples of all parts of this process."""
    sizes = torch.tensor([len(loss.per_sample) for loss in losses])
    weights = sizes / sizes.sum()
    return {
        name: torch.stack([loss.metrics[name].cpu() for loss in losses]) @ weights
        for name in losses[0].metrics
    }
