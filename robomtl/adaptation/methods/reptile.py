"""Reptile: moves the weights towards those that training on each task leads to.

Source: Nichol, Achiam & Schulman 2018 (arXiv:1803.02999), algorithm 1 with tasks in
batches: φ ← φ + ε (φ̃ - φ). Departures from the paper:

1. φ - φ̃ is passed to the run's optimiser as the gradient, with its learning rate ε and
   its clipping, as section 2 suggests.
2. The inner loop uses minibatches of the support alone, without repetition until all have
   been used; the queries only measure the loss of φ̃.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import vmap

from robomtl.adaptation.meta.inner_loop import (
    carrying,
    inner_loop,
    losses_of,
    mapped,
    weights_of,
)
from robomtl.adaptation.meta.inner_training import InnerMethod, InnerObjective
from robomtl.policy import Batch, Policy


@dataclass(frozen=True, kw_only=True)
class ReptileObjective(InnerObjective):
    """Moves the weights towards where training on each support leads."""

    steps: int = 5

    def query_losses(
        self, policy: Policy, support: Batch, query: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Losses of the queries by algorithm 1 of the paper; see ``InnerObjective``."""
        losses, start = losses_of(policy), weights_of(policy)

        def after(support: Batch, query: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            end = self.adapted(policy, minibatches(support, self.steps))
            gradient = {name: start[name] - end[name] for name in start}
            return losses(end, query), gradient

        with torch.no_grad():
            per_task, gradient = vmap(after, randomness="different")(support, query)
        return carrying(per_task, start, gradient), {}

    def adapted(self, policy: Policy, batches: Iterable[Batch]) -> dict[str, Tensor]:
        """See ``InnerObjective``."""
        return inner_loop(
            losses_of(policy),
            weights_of(policy),
            batches,
            rates=self.inner_rate,
            order="first",
        )


def minibatches(batch: Batch, number: int) -> Iterator[Batch]:
    """Yields ``number`` minibatches of a batch, repeating them if it has fewer rows."""
    parts = min(number, len(batch.task))

    for part in range(number):

        def take(rows: Tensor, start: int = part % parts) -> Tensor:
            return rows[start::parts]

        yield mapped(take, batch)


@dataclass(frozen=True, kw_only=True)
class Reptile(InnerMethod):
    """Runs the inner loop of a policy trained by Reptile."""

    objective: ClassVar[str | None] = "reptile"
    steps: ClassVar[int] = ReptileObjective.steps
