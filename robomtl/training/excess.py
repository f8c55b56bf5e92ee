"""Weights of groups that grow with a policy's excess loss over a reference policy.

Used in the second of the three trainings of a learned mixture, see ``learned_mixture``.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from robomtl.policy import Loss
from robomtl.training.adam_state import State
from robomtl.training.combining import Combiner, check_finite
from robomtl.training.remix import Remix
from robomtl.training.samples import Sampler
from robomtl.training.scored import Scored


class ExcessWeighing(Combiner):
    """Weights the mean losses of groups by exponentiated excess losses.

    Args:
        sampler: Sampler of equally many samples of each group, sorted by group.
        reference: Reference policy with its loss.
        settings: Step size and smoothing.
        tasks: Number of tasks.
    """

    def __init__(
        self, sampler: Sampler, reference: Scored, settings: Remix, *, tasks: int
    ) -> None:
        self._reference, self._settings, self._tasks = reference, settings, tasks
        self._task, self._data = sampler.groups.cpu().unbind(1)
        self._first = sampler.fractions.float().cpu()
        self._now, self._sum = self._first, torch.zeros_like(self._first)
        self.groups = len(self._first)

    def backward(self, scored: Scored, batch: Any) -> Loss:
        """See ``Combiner``; the weights are moved before the gradient is computed."""
        device = scored.policy.device
        generators = [device] if device.type == "cuda" else []
        # The fork rewinds the generators, so that the reference draws the same noise.
        with torch.random.fork_rng(devices=generators):
            loss: Loss = scored(batch)
        check_finite(loss.per_sample.mean(), loss)
        with torch.no_grad():
            reference: Tensor = self._reference(batch).per_sample
        excess = (loss.per_sample.detach() - reference).clamp(min=0)
        self._now = moved(
            self._now, self._means(excess).cpu(), self._first, self._settings
        )
        self._sum = self._sum + self._now
        by_task = torch.zeros(self._tasks).index_add(0, self._task, self._now)
        self.weights = self._tasks * by_task
        own = self._means(loss.per_sample)
        (own @ self._now.to(own)).backward()  # type: ignore[no-untyped-call]
        return loss

    def _means(self, per_sample: Tensor) -> Tensor:
        """The mean of each group; (sample,) -> (group,)."""
        return per_sample.view(len(self._first), -1).mean(1)

    def state(self) -> State:
        """Current and initial weights, their sum over the steps, and the groups."""
        groups = {"task": self._task, "data": self._data, "first": self._first}
        return {"now": self._now, "sum": self._sum, **groups}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See ``Combiner``."""
        self._now, self._sum = state["now"], state["sum"]


def moved(now: Tensor, excess: Tensor, first: Tensor, settings: Remix) -> Tensor:
    """The weights after a step, with sum 1; (group,).

    Args:
        now: The weights before the step; (group,).
        excess: Mean over samples of the positive part of the excess loss; (group,).
        first: The initial weights, which are mixed in; (group,).
        settings: Step size and smoothing.
    """
    grown = (now.log() + settings.rate * excess).softmax(0)
    return (1 - settings.smoothing) * grown + settings.smoothing * first
