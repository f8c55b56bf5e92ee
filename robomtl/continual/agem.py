"""A-GEM: a step may not raise the mean loss of the earlier tasks, to first order.

Source: Chaudhry et al. 2019, "Efficient Lifelong Learning with A-GEM" (arXiv:1812.00420),
equation 11: where the gradient g of the new task and the mean gradient r of the memory
oppose one another, g becomes g - (g·r / r·r) r. Departures:

1. The memory holds whole episodes, and each step draws as many samples of it as of the new
   task, the same number of every earlier task.
2. AdamW takes the step, whose direction is not that of the gradient: the loss on the memory
   may rise all the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robomtl.checkpoint import TrainedPolicy
from robomtl.continual.experience_replay import Buffered
from robomtl.continual.stage import Stage
from robomtl.policy import Batch, Loss, Policy
from robomtl.policy_border import loss_of
from robomtl.ranges import check_not_negative, check_types
from robomtl.training.config import TrainConfig
from robomtl.training.objective import Cloning, Material
from robomtl.training.samples import Sampler, mixed

_STREAM = 104_729  # Apart from the seeds of the new task's draws.


class Recalled(NamedTuple):
    """Samples of the new task, and of the memory."""

    batch: Batch
    """Samples of the new task."""
    memory: Batch
    """Samples of the earlier tasks."""

    @property
    def task(self) -> Tensor:
        """Index of the task of each sample of the new task; (batch,)."""
        return self.batch.task


@dataclass(frozen=True)
class _Draws:
    new: Sampler
    memory: Sampler
    seed: int

    def batch(self, step: int, size: int) -> Recalled:
        """The samples of a step, as many of the memory as of the new task."""
        later = mixed(_STREAM, step)
        return Recalled(self.new.batch(step, size), self.memory.batch(later, size))


@dataclass(frozen=True, kw_only=True)
class AgemTraining:
    """Behaviour cloning of one task whose steps do not raise the loss of the others."""

    task: int = 0
    """Index of the task that is learned; the others are the memory."""

    def __post_init__(self) -> None:
        """Checks the index.

        Raises:
            InputError: If it is negative.
        """
        check_types(self)
        check_not_negative(self, "task")

    @property
    def demonstration(self) -> int:
        """Nothing is inferred."""
        return 0

    def meta(self, policy: Policy) -> None:
        """Nothing is learned beside the policy."""

    def draws(self, material: Material, config: TrainConfig) -> _Draws:
        """Frames of the new task, and of the memory."""
        new, memory = (Cloning().draws(material, config) for _ in range(2))
        number = len(material.conditioning.tasks)
        own = (torch.arange(number) == self.task).float()
        new.emphasise(own)
        memory.emphasise(1 - own)
        return _Draws(new, memory, config.seed)

    def validation(self, material: Material) -> Iterator[Batch]:
        """Held-out demonstrations in order."""
        return Cloning().validation(material)

    def loss(self, policy: Policy, batch: Any) -> Loss:
        """The loss of each sample of the new task."""
        return loss_of(policy, batch.batch if isinstance(batch, Recalled) else batch)

    def project(self, policy: Policy, batch: Recalled) -> None:
        """Takes out of the gradient what would raise the loss of the memory."""
        trained = [p for p in policy.parameters() if p.grad is not None]
        loss = loss_of(policy, batch.memory).per_sample.mean()
        found = torch.autograd.grad(loss, trained, allow_unused=True)
        pairs = [
            (parameter.grad, reference)
            for parameter, reference in zip(trained, found, strict=True)
            if parameter.grad is not None and reference is not None
        ]
        inner = sum((own * other).sum().item() for own, other in pairs)
        if inner < 0:
            norm = sum(other.square().sum().item() for _, other in pairs)
            for own, other in pairs:
                own.sub_(other, alpha=inner / norm)


@dataclass(frozen=True, kw_only=True)
class Agem(Buffered):
    """Projects the gradient of the new task on that of kept demonstrations."""

    def learn(self, stage: Stage, before: TrainedPolicy | None) -> TrainedPolicy:
        """The policy after the new task; see ``LifelongMethod``."""
        data = stage.first({**self.kept(stage), stage.task: None})
        if not stage.earlier:
            return stage.train(data, before)
        task = stage.data.tasks.index(stage.task)
        return stage.train(
            data, before, objective="agem", objective_config={"task": task}
        )
