"""The inner loop that objectives train through, and methods run again."""

import math
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from robomtl.adaptation.meta.gradient import copied, material_of, sampler_of
from robomtl.adaptation.meta.inferring import objective_of
from robomtl.adaptation.meta.inner_loop import by_task
from robomtl.adaptation.meta.problems import Problems
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.conditioning import InstructionAugmentation
from robomtl.errors import InputError
from robomtl.policy import Batch, Loss, Policy
from robomtl.ranges import check_counts
from robomtl.training.episodic import Episodic


@dataclass(frozen=True, kw_only=True)
class InnerObjective(Problems):
    """Adapts to the supports of some tasks, and learns from how that serves queries."""

    steps: int = 3
    """Gradient steps of the inner loop."""
    inner_rate: float = 0.01
    """Learning rate of the inner loop."""
    tasks: int = 5
    """Tasks, or goals where they are hidden, in a batch."""
    shots: int = 10
    """Greatest number of demonstrations; each problem draws its own from 1 on."""

    demonstration: ClassVar[int] = 0

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a number is out of range.
        """
        super().__post_init__()
        check_counts(self, "steps")
        if not (self.inner_rate > 0 and math.isfinite(self.inner_rate)):
            raise InputError(f"inner_rate is {self.inner_rate}; give more than 0.")

    @property
    def subsampled(self) -> int:
        """Demonstrations are not read as wholes."""
        return 1

    def check(self, name: str, policy: type[Policy]) -> None:
        """Refuses a policy whose loss cannot be taken for many tasks at once.

        Raises:
            InputError: If it is such a policy.
        """
        if not policy.vectorised:
            raise InputError(
                f"Inner loops adapt to many tasks at once, which '{name}' cannot; train"
                " another policy, such as film or octo, or this one by cloning."
            )

    def meta(self, policy: Policy) -> nn.Module | None:
        """Nothing."""
        return None

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """The loss of the queries after adaptation, in float32."""
        device = batch.task.device.type
        with torch.autocast(device, enabled=False):
            support = by_task(batch.support, batch.tasks)
            query = by_task(batch.query, batch.tasks)
            per_task, metrics = self.query_losses(policy, support, query)
        return Loss(per_task.flatten(), metrics)

    @abstractmethod
    def query_losses(
        self, policy: Policy, support: Batch, query: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The losses of queries whose mean has the meta-gradient, and metrics.

        Args:
            policy: Its parameters are where adaptation begins.
            support: Tensors of shape (task, sample, …).
            query: Tensors of shape (task, sample, …).

        Returns:
            (task, sample).
        """

    @abstractmethod
    def adapted(self, policy: Policy, batches: Iterable[Batch]) -> dict[str, Tensor]:
        """A policy's parameters by name after the inner loop, those that adapt."""


@dataclass(frozen=True, kw_only=True)
class InnerMethod:
    """Runs the inner loop of a policy's training on the support, as it was trained.

    What adapts, at which rates and, unless the budget says, for how many steps is that
    of the training. Each step takes frames of the support at random, as many as the
    budget has.
    """

    instruction_augmentation: InstructionAugmentation = field(
        default_factory=InstructionAugmentation
    )
    """How wordings are varied."""

    objective: ClassVar[str | None]
    steps: ClassVar[int]

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """The policy after the inner loop; see ``Method``."""
        card, policy = trained.card, copied(trained.policy, lambda _: False)
        objective = objective_of(trained)
        assert isinstance(objective, InnerObjective)
        material = material_of(
            policy,
            support.demonstrations,
            card.conditioning,
            instruction_augmentation=self.instruction_augmentation,
        )
        draws = sampler_of(material, generator)
        steps = budget.steps or objective.steps
        with torch.no_grad():
            adapted = objective.adapted(
                policy, (draws.batch(step, budget.batch_size) for step in range(steps))
            )
        check_finite(adapted)
        policy.load_state_dict(adapted, strict=False)
        return Adapted(policy, card, steps, sum(v.numel() for v in adapted.values()))


def check_finite(parameters: dict[str, Tensor]) -> None:
    """Makes sure that an inner loop has not diverged.

    Raises:
        FloatingPointError: If it has; names the first parameter.
    """
    for name, value in parameters.items():
        if not value.isfinite().all():
            raise FloatingPointError(f"The inner loop left {name} not finite.")
