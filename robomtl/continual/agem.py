"""A-GEM: gradients are projected so that the mean loss of earlier tasks does not rise.

Source: Chaudhry et al. 2019, "Efficient Lifelong Learning with A-GEM" (arXiv:1812.00420),
equation 11: where the gradient g of the new task and the mean gradient r of the memory
have a negative inner product, g becomes g - (g·r / r·r) r. Departures:

1. The memory consists of whole episodes, and each step draws as many samples from it as
   from the new task, uniformly over the earlier tasks.
2. The optimiser is AdamW, whose step is not along the gradient: the loss on the memory may
   still rise.
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
from robomtl.policy_contract import loss_of
from robomtl.ranges import check_not_negative, check_types
from robomtl.training.config import TrainConfig
from robomtl.training.objective import Cloning, Material
from robomtl.training.samples import Sampler, mixed

_STREAM = 104_729  # Separates the draws of the memory from those of the new task.


class ReplayBatch(NamedTuple):
    """A batch of the new task, and one of the memory."""

    batch: Batch
    """Samples of the new task."""
    memory: Batch
    """Samples of the earlier tasks."""

    @property
    def task(self) -> Tensor:
        """Task index of each sample of the new task; (batch,)."""
        return self.batch.task


@dataclass(frozen=True)
class _Draws:
    new: Sampler
    memory: Sampler
    seed: int

    def batch(self, step: int, size: int) -> ReplayBatch:
        """The samples of a step: ``size`` of the new task and ``size`` of the memory."""
        later = mixed(_STREAM, step)
        return ReplayBatch(self.new.batch(step, size), self.memory.batch(later, size))


@dataclass(frozen=True, kw_only=True)
class AgemTraining:
    """Behaviour cloning of one task with gradients projected by those of the others."""

    task: int = 0
    """Index of the task that is learned; the others form the memory."""

    def __post_init__(self) -> None:
        """Checks the index.

        Raises:
            InputError: If it is negative.
        """
        check_types(self)
        check_not_negative(self, "task")

    @property
    def demonstration(self) -> int:
        """Length 0: no vector is inferred from demonstrations."""
        return 0

    def meta(self, policy: Policy) -> None:
        """No parameters are learned besides the policy."""

    def draws(self, material: Material, config: TrainConfig) -> _Draws:
        """Samplers of frames of the new task and of the memory."""
        new, memory = (Cloning().draws(material, config) for _ in range(2))
        number = len(material.conditioning.tasks)
        own = (torch.arange(number) == self.task).float()
        new.emphasise(own)
        memory.emphasise(1 - own)
        return _Draws(new, memory, config.seed)

    def validation(self, material: Material) -> Iterator[Batch]:
        """Batches of held-out demonstrations, in order."""
        return Cloning().validation(material)

    def loss(self, policy: Policy, batch: Any) -> Loss:
        """The loss of each sample of the new task."""
        return loss_of(policy, batch.batch if isinstance(batch, ReplayBatch) else batch)

    def project(self, policy: Policy, batch: ReplayBatch) -> None:
        """Removes the component of the gradient that would raise the memory's loss."""
        trained = [p for p in policy.parameters() if p.grad is not None]
        loss = loss_of(policy, batch.memory).per_sample.mean()
        references = torch.autograd.grad(loss, trained, allow_unused=True)
        pairs = [
            (parameter.grad, reference)
            for parameter, reference in zip(trained, references, strict=True)
            if parameter.grad is not None and reference is not None
        ]
        inner = sum((own * other).sum().item() for own, other in pairs)
        if inner < 0:
            norm = sum(other.square().sum().item() for _, other in pairs)
            for own, other in pairs:
                own.sub_(other, alpha=inner / norm)


@dataclass(frozen=True, kw_only=True)
class Agem(Buffered):
    """Projects the gradient of the new task by that of kept demonstrations."""

    def learn(self, stage: Stage, before: TrainedPolicy | None) -> TrainedPolicy:
        """Trains the policy on the new task; see ``LifelongMethod``."""
        data = stage.first({**self.kept(stage), stage.task: None})
        if not stage.earlier:
            return stage.train(data, before)
        task = stage.data.tasks.index(stage.task)
        return stage.train(
            data, before, objective="agem", objective_config={"task": task}
        )
