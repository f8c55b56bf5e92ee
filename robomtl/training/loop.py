"""The loop of gradient steps, with hooks between them."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch

from robomtl.execution.locks import GENERATOR
from robomtl.policy import Loss
from robomtl.training.combining import NotFiniteError
from robomtl.training.config import TrainConfig
from robomtl.training.learner import Learner
from robomtl.training.objective import Draws, TaskBatch
from robomtl.training.samples import mixed
from robomtl.training.schedule import learning_rate


class TakenStep(NamedTuple):
    """A gradient step that was taken."""

    step: int
    """Number of steps taken, this one included."""
    batch: Any
    """The batch, of the objective's kind."""
    loss: Loss
    """Loss of each sample before the step."""
    gradient_norm: float
    """Norm of the gradient before clipping."""
    learning_rate: float
    """Learning rate of the step."""


class Hook(NamedTuple):
    """An action that is repeated during training."""

    interval: int
    """Steps between two actions; 0 for none."""
    action: Callable[[TakenStep], None]
    """Called after a step, in the order of the hooks."""

    def due(self, step: int) -> bool:
        """Whether the action follows the step of this number."""
        return self.interval > 0 and step % self.interval == 0


def take_steps(
    learner: Learner,
    draws: Draws,
    config: TrainConfig,
    *,
    hooks: Sequence[Hook] = (),
    seed: int | None = None,
) -> TakenStep | None:
    """Takes the remaining gradient steps, and runs the hooks after each.

    Args:
        learner: Learner that takes the steps, from its current one on.
        draws: Batches of the run.
        config: Settings of the run, with the number of steps and the batch size.
        hooks: Actions between steps.
        seed: Seed of the policy's random numbers, such as dropout; None does not seed
            torch's generator.

    Returns:
        The last step; None if none remained.

    Raises:
        FloatingPointError: If a loss or a gradient is not finite; names the step and, if
            the learner knows them, the tasks.
    """
    taken = None
    while learner.step < config.steps:
        taken = _step(
            learner, draws.batch(learner.step, config.batch_size), config, seed
        )
        for hook in hooks:
            if hook.due(taken.step):
                hook.action(taken)
    return taken


def _step(
    learner: Learner, batch: TaskBatch, config: TrainConfig, seed: int | None
) -> TakenStep:
    rate = learning_rate(learner.step, config)
    try:
        with nullcontext() if seed is None else GENERATOR:
            if seed is not None:
                _seed(learner.device, mixed(seed, learner.step))
            loss, norm = learner.update(batch)
    except NotFiniteError as error:
        raise _placed(error, learner, batch, config) from error
    return TakenStep(learner.step, batch, loss, norm, rate)


def _placed(
    error: NotFiniteError, learner: Learner, batch: TaskBatch, config: TrainConfig
) -> FloatingPointError:
    """The error with the step and the tasks at which it occurred."""
    if not learner.tasks:
        return error
    finite = torch.isfinite(error.per_sample)
    culprits = sorted({learner.tasks[int(i)] for i in batch.task[~finite]})
    exact = "" if config.precision == "float32" else " or float32 precision"
    return FloatingPointError(
        f"{error} Step {learner.step}, task {', '.join(culprits) or 'all'}; a lower"
        f" learning_rate{exact} may help."
    )


def _seed(device: torch.device, seed: int) -> None:
    """Seeds the generator of policies' draws; ``torch.manual_seed`` takes 1 % of a step."""
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
