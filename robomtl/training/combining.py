"""From the losses of a batch to one gradient: where tasks are weighed."""

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
    """A loss or gradient was not finite; no weight has changed.

    Args:
        what: Which of the two, and its value.
        per_sample: Losses of the batch; (batch,).
    """

    def __init__(self, what: str, per_sample: Tensor) -> None:
        super().__init__(what)
        self.per_sample = per_sample


class Combiner(ABC):
    """Leaves the gradient of a batch on the parameters."""

    weights: Tensor | None = None
    """Weights of the tasks in the last step; None where samples were averaged."""
    groups: int | None = None
    """Number of groups that its state has values for; None for tasks."""

    @abstractmethod
    def backward(self, scored: Scored, batch: Any) -> Loss:
        """Adds the gradient to each parameter's.

        Raises:
            NotFiniteError: If the loss is not finite.
            ValueError: If the losses do not fit the method.
        """

    def finish(self, scored: Scored, batch: Any) -> None:  # noqa: B027
        """Learns from what the step did to the same batch, where it learns."""

    def state(self) -> State:
        """All it has to know to go on, on the CPU."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Goes back to where ``state`` was called."""


class Averaging(Combiner):
    """The mean over samples: the default."""

    def backward(self, scored: Scored, batch: Any) -> Loss:
        """See ``Combiner``."""
        loss: Loss = scored(batch)
        mean = self.mean(loss, batch)
        check_finite(mean, loss)
        check_differentiable(mean)
        mean.backward()  # type: ignore[no-untyped-call]
        return loss

    def mean(self, loss: Loss, batch: Any) -> Tensor:
        """The loss that is minimised."""
        return loss.per_sample.mean()


class Sloping(Averaging):
    """Averages samples, each times the fixed weight of its task.

    Args:
        weigher: The weights.
    """

    def __init__(self, weigher: Weigher) -> None:
        self._weigher = weigher

    def mean(self, loss: Loss, batch: Any) -> Tensor:
        """The mean of the weighted losses."""
        self.weights = self._weigher.weights(loss.per_sample)
        return (loss.per_sample * self.weights[batch.task]).mean()


class Weighing(Combiner):
    """Weighs the mean losses of the tasks by a rule that learns.

    Args:
        name: That of the rule, for messages.
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
        weights = self._weigher.weights(losses.cpu())  # Where it learns.
        self.weights = weights.to(own.device)
        (own @ self.weights / len(own)).backward()  # type: ignore[no-untyped-call]
        return loss

    def means(self, scored: Scored, batch: Any) -> tuple[Loss, Tensor, Tensor]:
        """The loss of each sample, and twice the mean loss of each task.

        Returns:
            The loss; what this process contributes to the means, to be differentiated;
            and the means. Both of shape (task,).
        """
        loss: Loss = scored(batch)
        means = task_means(loss.per_sample, batch.task, self._tasks)
        return loss, means, means.detach()

    def finish(self, scored: Scored, batch: Any) -> None:
        """FAMO measures the losses once more."""
        if isinstance(self._weigher, Famo):
            with torch.no_grad():
                _, _, means = self.means(scored, batch)
            self._weigher.learn(means.cpu())

    def state(self) -> State:
        """That of the rule."""
        return self._weigher.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See ``Combiner``."""
        self._weigher.restore(state)


class Aggregating(Combiner):
    """Weighs the gradients of the tasks by their inner products.

    Args:
        rule: What weighs them.
        fixed: Weights of the losses, before.
        tasks: Names of the tasks.
    """

    def __init__(self, rule: Rule, fixed: Weigher, tasks: Sequence[str]) -> None:
        self._rule, self._fixed, self._tasks = rule, fixed, tasks

    def backward(self, scored: Scored, batch: Any) -> Loss:
        """See ``Combiner``."""
        found = task_gradients(scored, batch, self._tasks)
        check_finite(found.losses.mean(), found.loss)
        fixed = self._fixed.weights(found.losses)
        gramian = found.gramian() * fixed * fixed[:, None]
        check_finite(gramian.trace(), found.loss, what="gradient")
        weights = self._rule(gramian) * fixed
        self.weights = weights * len(weights)
        _leave(scored, found, weights)
        return found.loss


class Norming(Combiner):
    """GradNorm, which weighs losses by the norms of their gradients.

    Args:
        rule: Finds the weights.
        tasks: Names of the tasks.
    """

    def __init__(self, rule: GradNorm, tasks: Sequence[str]) -> None:
        self._rule, self._tasks = rule, tasks

    def backward(self, scored: Scored, batch: Any) -> Loss:
        """See ``Combiner``."""
        found = task_gradients(scored, batch, self._tasks)
        check_finite(found.losses.mean(), found.loss)
        check_positive_losses("gradnorm", found.losses, self._tasks)
        norms = found.gramian().diagonal().sqrt()
        check_finite(norms.sum(), found.loss, what="gradient")
        weights = self._rule.weights(found.losses.cpu(), norms.cpu())
        self.weights = weights.to(norms.device)
        _leave(scored, found, self.weights / len(norms))
        return found.loss

    def state(self) -> State:
        """That of the rule."""
        return self._rule.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See ``Combiner``."""
        self._rule.restore(state)


def check_finite(value: Tensor, loss: Loss, what: str = "loss") -> None:
    """Refuses to go on with a value that is not finite.

    Args:
        value: The mean loss, or the size of a gradient.
        loss: Losses of the batch.
        what: Name of the value.

    Raises:
        NotFiniteError: If the value is not finite.
    """
    if not math.isfinite(value.item()):
        raise NotFiniteError(f"The {what} is {value.item()}.", loss.per_sample)


def _leave(scored: Scored, found: TaskGradients, weights: Tensor) -> None:
    """Leaves the weighted gradient on the parameters."""
    parameters = scored.trained().values()
    for parameter, gradient in zip(parameters, found.combined(weights), strict=True):
        parameter.grad = gradient
