"""The contract of what takes gradient steps, and the choice among those there are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from robomtl.policy import Loss, Policy
from robomtl.training.combining import Combiner
from robomtl.training.config import TrainConfig
from robomtl.training.joined_learner import JoinedLearner
from robomtl.training.module_learner import ModuleLearner
from robomtl.training.objective import Objective
from robomtl.training.processes import ALONE, Processes


class Learner(Protocol):
    """A policy in training, with its optimiser and averaged weights."""

    policy: Policy
    """The policy that is trained, in place."""
    step: int
    """Number of gradient steps taken."""
    validation: Tensor | None
    """Validation loss of each task when it was last measured; (task,)."""
    tasks: Sequence[str]
    """Names of the tasks, by index."""

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        ...

    def update(self, batch: Any) -> tuple[Loss, float]:
        """Takes one gradient step on a batch of the objective's kind.

        What is minimised is the mean loss, or what the config makes of the tasks' losses
        or gradients.

        Returns:
            The loss of each sample, and the norm of the gradient before clipping.

        Raises:
            NotFiniteError: If the loss or its gradient is not finite.
            ValueError: If the losses do not fit how tasks are weighed.
        """
        ...

    def rehearse(self, batch: Any) -> None:
        """Computes the gradient of a batch and forgets it, to measure how long that takes."""
        ...

    def weights(self) -> dict[str, float]:
        """Weights of the tasks in the last step, by name; empty where samples are averaged.

        A task has 1 in a mean.
        """
        ...

    def cosines(self, batch: Any) -> Tensor:
        """Cosines between the gradients of the tasks' losses; (task, task).

        Args:
            batch: Of the objective's kind, with samples of every task.
        """
        ...

    def averaged(self) -> dict[str, Tensor]:
        """The policy's state with averaged weights: what acts."""
        ...

    def save(self, path: Path) -> None:
        """Writes everything training goes on from, durably, as one safetensors file."""
        ...

    def restore(self, path: Path) -> None:
        """Goes back to where ``save`` was called, bit for bit.

        Raises:
            InputError: If the file is damaged, or not of this training.
        """
        ...


def learner_for(
    policy: Policy,
    config: TrainConfig,
    objective: Objective | None = None,
    tasks: Sequence[str] = (),
    *,
    processes: Processes = ALONE,
    combiner: Combiner | None = None,
) -> Learner:
    """The learner that the config names.

    Args:
        policy: Trained in place where its parameters require a gradient.
        config: Settings of the run.
        objective: What is minimised; behaviour cloning if None.
        tasks: Names of the tasks, by index, where the config weighs them.
        processes: Share the batches; this one alone by default.
        combiner: Weighs tasks in place of the one that the config names.

    Raises:
        ValueError: If the policy has nothing to train, or a part or a weight names
            nothing.
    """
    kinds = {"joined": JoinedLearner, "module": ModuleLearner}
    made = kinds[config.learner]
    return made(
        policy, config, objective, tasks, processes=processes, combiner=combiner
    )
