"""Combiners: compute one gradient from the losses of a batch, with weights of tasks."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from robomtl.policy import Loss
from robomtl.training.adam_state import State
from robomtl.training.aggregating import Rule
from robomtl.training.gradients import TaskGradients, task_gradients
from robomtl.training.gradnorm import GradNorm
from robomtl.training.scored import Scored, check_differentiable, task_means
from robomtl.training.weighting import (
    Famo,
    Weigher,
    check_positive_losses,
)


class NotFiniteError(FloatingPointError):
    """A loss or gradient was not finite; no weight of the policy has changed.

    Args:
        what: Message with the value of the loss or gradient.
        per_sample: Losses of the batch; (batch,).
    """

    def __init__(self, what: str, per_sample: Tensor) -> None:
        super().__init__(what)
        self.per_sample = per_sample


class Combiner(ABC):
    """Computes the gradient of a batch with respect to the policy's parameters."""

    weights: Tensor | None = None
    """Weights of the tasks in the last step; None where samples were averaged."""
    groups: int | None = None
    """Number of groups that have a value each in the state; None if tasks have."""

    @abstractmethod
    def backward(self, scored: Scored, batch: Any) -> Loss:
        """Computes the gradient of each parameter, in ``grad``, and returns the loss.

        Raises:
            NotFiniteError: If the loss is not finite.
            ValueError: If the losses do not fit the method.
        """

    def finish(self, scored: Scored, batch: Any) -> None:  # noqa: B027
        """Learns from the batch's losses after the step; does nothing by default."""

    def state(self) -> State:
        """State from which the combiner resumes, on the CPU; empty by default."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Restores a state that ``state`` returned."""


class Averaging(Combiner):
    """Minimises the mean over samples: the default."""

    def backward(self, scored: Scored, batch: Any) -> Loss:
        """See ``Combiner``."""
        loss: Loss = scored(batch)
        mean = self.mean(loss, batch)
        check_finite(mean, loss)
        check_differentiable(mean)
        mean.backward()  # type: ignore[no-untyped-call]
        return loss

    def mean(self, loss: Loss, batch: Any) -> Tensor:
        """The loss that is minimised; ()."""
        return loss.per_sample.mean()


class Sloping(Averaging):
    """Minimises the mean over samples, each with the fixed weight of its task.

    Args:
        weigher: Fixed weights of the tasks.
    """

    def __init__(self, weigher: Weigher) -> None:
        self._weigher = weigher

    def mean(self, loss: Loss, batch: Any) -> Tensor:
        """The mean of the weighted losses; ()."""
        self.weights = self._weigher.weights(loss.per_sample)
        return (loss.per_sample * self.weights[batch.task]).mean()


class Weighing(Combiner):
    """Weights the mean losses of the tasks by a rule that learns.

    Args:
        name: Name of the rule, for messages.
        weigher: The rule.
        tasks: Names of the tasks.
    """

    def __init__(self, name: str, weigher: Weigher, tasks: Sequence[str]) -> None:
        self._name, self._weigher, self._tasks = name, weigher, tasks

    def backward(self, scored: Scored, batch: Any) -> Loss:
        """See ``Combiner``."""
        loss, own, losses = self.means(scored, batch)
        check_finite(losses.mean(), loss)
        check_positive_losses(self._name, losses, self._tasks)
        weights = self._weigher.weights(losses.cpu())  # The rule learns on the CPU.
        self.weights = weights.to(own.device)
        (own @ self.weights / len(own)).backward()  # type: ignore[no-untyped-call]
        return loss

    def means(self, scored: Scored, batch: Any) -> tuple[Loss, Tensor, Tensor]:
        """Loss of a batch, and the mean loss of each task.

        Returns:
            The loss; this process's contribution to the tasks' means, with its graph,
            (task,); and the means without a graph, (task,).
        """
        loss: Loss = scored(batch)
        means = task_means(loss.per_sample, batch.task, self._tasks)
        return loss, means, means.detach()

    def finish(self, scored: Scored, batch: Any) -> None:
        """Measures the losses after the step, for FAMO."""
        if isinstance(self._weigher, Famo):
            with torch.no_grad():
                _, _, means = self.means(scored, batch)
            self._weigher.learn(means.cpu())

    def state(self) -> State:
        """State of the rule."""
        return self._weigher.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See ``Combiner``."""
        self._weigher.restore(state)


class Aggregating(Combiner):
    """Weights the gradients of the tasks by their inner products.

    Args:
        rule: Aggregation of the gradients.
        fixed: Fixed weights that the losses are multiplied by first.
        tasks: Names of the tasks.
    """

    def __init__(self, rule: Rule, fixed: Weigher, tasks: Sequence[str]) -> None:
        self._rule, self._fixed, self._tasks = rule, fixed, tasks

    def backward(self, scored: Scored, batch: Any) -> Loss:
        """See ``Combiner``."""
        gradients = task_gradients(scored, batch, self._tasks)
        check_finite(gradients.losses.mean(), gradients.loss)
        fixed = self._fixed.weights(gradients.losses)
        gramian = gradients.gramian() * fixed * fixed[:, None]
        check_finite(gramian.trace(), gradients.loss, what="gradient")
        weights = self._rule(gramian) * fixed
        self.weights = weights * len(weights)
        _set_gradient(scored, gradients, weights)
        return gradients.loss


class Norming(Combiner):
    """GradNorm, which weights losses by the norms of their gradients.

    Args:
        rule: Learns the weights.
        tasks: Names of the tasks.
    """

    def __init__(self, rule: GradNorm, tasks: Sequence[str]) -> None:
        self._rule, self._tasks = rule, tasks

    def backward(self, scored: Scored, batch: Any) -> Loss:
        """See ``Combiner``."""
        gradients = task_gradients(scored, batch, self._tasks)
        check_finite(gradients.losses.mean(), gradients.loss)
        check_positive_losses("gradnorm", gradients.losses, self._tasks)
        norms = gradients.gramian().diagonal().sqrt()
        check_finite(norms.sum(), gradients.loss, what="gradient")
        weights = self._rule.weights(gradients.losses.cpu(), norms.cpu())
        self.weights = weights.to(norms.device)
        _set_gradient(scored, gradients, self.weights / len(norms))
        return gradients.loss

    def state(self) -> State:
        """State of the rule."""
        return self._rule.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See ``Combiner``."""
        self._rule.restore(state)


def check_finite(value: Tensor, loss: Loss, what: str = "loss") -> None:
    """Refuses a loss or gradient that is not finite.

    Args:
        value: Mean loss, or size of a gradient; ().
        loss: Losses of the batch.
        what: Name of the value.

    Raises:
        NotFiniteError: If the value is not finite.
    """
    if not math.isfinite(value.item()):
        raise NotFiniteError(f"The {what} is {value.item()}.", loss.per_sample)


def _set_gradient(scored: Scored, gradients: TaskGradients, weights: Tensor) -> None:
    """Sets the parameters' gradients to the weighted sum of the tasks' gradients."""
    combined = gradients.combined(weights)
    for parameter, gradient in zip(scored.trained().values(), combined, strict=True):
        parameter.grad = gradient
