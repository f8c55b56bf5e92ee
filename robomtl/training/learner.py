"""Protocol of learners, which take gradient steps, and their construction."""

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

        The mean loss is minimised, or the combination of the tasks' losses or gradients
        that the config names.

        Returns:
            The loss of each sample, and the norm of the gradient before clipping.

        Raises:
            NotFiniteError: If the loss or its gradient is not finite.
            ValueError: If the losses do not fit the weighting of tasks.
        """
        ...

    def rehearse(self, batch: Any) -> None:
        """Computes the gradient of a batch and discards it, to measure the duration."""
        ...

    def weights(self) -> dict[str, float]:
        """Weights of the tasks in the last step, by name; empty if samples are averaged.

        Each weight is 1 if the tasks' losses are averaged.
        """
        ...

    def cosines(self, batch: Any) -> Tensor:
        """Cosines between the gradients of the tasks' losses; (task, task).

        Args:
            batch: Batch of the objective's kind, with samples of every task.
        """
        ...

    def averaged(self) -> dict[str, Tensor]:
        """The policy's state with averaged weights, which act.

        The weights of the last step if ``ema_decay`` is 0.
        """
        ...

    def save(self, path: Path) -> None:
        """Writes the state from which training resumes, durably, as one safetensors file."""
        ...

    def restore(self, path: Path) -> None:
        """Restores what ``save`` wrote, bit for bit.

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
        policy: Policy whose parameters are trained in place if they require a gradient.
        config: Settings of the run.
        objective: Training objective; behaviour cloning if None.
        tasks: Names of the tasks, by index, if the config weights them.
        processes: Processes that share the batches; this one alone by default.
        combiner: Combiner in place of the one that the config names.

    Raises:
        ValueError: If the policy has nothing to train, or lacks a part or a task that the
            config names.
    """
    kinds = {"joined": JoinedLearner, "module": ModuleLearner}
    made = kinds[config.learner]
    return made(
        policy, config, objective, tasks, processes=processes, combiner=combiner
    )
