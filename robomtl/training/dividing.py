"""The gradient of a batch whose parts are computed one after the other, or elsewhere.

What is minimised is the mean over the whole batch, as if it were computed at once: each
part adds its samples' share to the gradient, and those of all processes are added up
before the step. Numbers differ from those of one part by the rounding of sums.
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
    """Averages the samples of a divided batch, each times the fixed weight of its task.

    Args:
        processes: Compute the other parts.
        weigher: The weights; None for samples that weigh the same.
    """

    def __init__(self, processes: Processes, weigher: Weigher | None) -> None:
        self._processes, self._weigher = processes, weigher

    def backward(self, scored: Scored, batch: Divided) -> Loss:
        """See ``Combiner``; the loss returned is that of the whole batch."""
        found = [self._part(scored, part, len(batch.task)) for part in batch.parts]
        own = torch.cat([loss.per_sample.detach() for loss in found])
        whole = whole_losses(own, batch, self._processes)
        loss = Loss(whole, _means_of(found))
        check_finite(self._weighted(whole, batch.task).mean(), loss)
        return loss

    def _part(self, scored: Scored, part: Any, samples: int) -> Loss:
        loss: Loss = scored(part)
        share = self._weighted(loss.per_sample, part.task).sum() / samples
        share.backward()  # type: ignore[no-untyped-call]
        return loss

    def _weighted(self, per_sample: Tensor, task: Tensor) -> Tensor:
        if self._weigher is None:
            return per_sample
        self.weights = self._weigher.weights(per_sample)
        return per_sample * self.weights[task]


class DividedWeighing(Weighing):
    """Weighs the tasks of a batch that several processes compute a part of each.

    Args:
        name: That of the rule, for messages.
        weigher: The rule; it learns the same in every process.
        tasks: Names of the tasks.
        processes: Compute the other parts.
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
        """See ``Weighing``; the loss and the means are those of the whole batch."""
        (part,) = batch.parts
        loss: Loss = scored(part)
        whole = whole_losses(loss.per_sample.detach(), batch, self._processes)
        means = task_means(whole, batch.task, self._tasks)
        sums = torch.zeros_like(means).index_add(0, part.task, loss.per_sample)
        counts = batch.task.bincount(minlength=len(self._tasks))
        return Loss(whole, loss.metrics), sums / counts, means


def whole_losses(own: Tensor, batch: Divided, processes: Processes) -> Tensor:
    """The loss of each sample of a whole batch; (sample,).

    Args:
        own: Those of the samples that this process computed.
        batch: Says which these are.
        processes: Computed the others.
    """
    whole = own.new_zeros(len(batch.task))
    whole[batch.place] = own
    processes.add_up([whole])
    return whole


def _means_of(found: Sequence[Loss]) -> dict[str, Tensor]:
    """Metrics of the parts of this process, averaged by their samples."""
    sizes = torch.tensor([len(loss.per_sample) for loss in found])
    shares = sizes / sizes.sum()
    return {
        name: torch.stack([loss.metrics[name].cpu() for loss in found]) @ shares
        for name in found[0].metrics
    }
