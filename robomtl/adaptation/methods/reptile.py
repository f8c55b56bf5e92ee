"""Reptile: weights near those that every task's own training leads to.

Source: Nichol, Achiam & Schulman 2018 (arXiv:1803.02999), algorithm 1 with tasks in
batches: φ ← φ + ε (φ̃ - φ). Departures from the paper:

1. φ - φ̃ is the gradient that the run's optimiser takes, under its rate and clipping, as
   section 2 suggests; ε is the learning rate.
2. The inner loop takes minibatches of the support alone, none twice before all had their
   turn; the queries only tell how well φ̃ does.
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
        """Algorithm 1 of Nichol 2018; see ``InnerObjective``."""
        losses, start = losses_of(policy), weights_of(policy)

        def after(support: Batch, query: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            end = self.adapted(policy, minibatches(support, self.steps))
            way = {name: start[name] - end[name] for name in start}
            return losses(end, query), way

        with torch.no_grad():
            per_task, way = vmap(after, randomness="different")(support, query)
        return carrying(per_task, start, way), {}

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
    """So many parts of a batch; in turn again where it has fewer rows than that."""
    parts = min(number, len(batch.task))

    for part in range(number):

        def take(rows: Tensor, start: int = part % parts) -> Tensor:
            return rows[start::parts]

        yield mapped(take, batch)


@dataclass(frozen=True, kw_only=True)
class Reptile(InnerMethod):
    """Goes on with the inner loop of Reptile, on the new task."""

    objective: ClassVar[str | None] = "reptile"
    steps: ClassVar[int] = ReptileObjective.steps
