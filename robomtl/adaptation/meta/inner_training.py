"""Base classes of objectives that train through an inner loop, and of their methods."""

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
    """Minimises the loss of queries after an inner loop on the support of each task."""

    steps: int = 3
    """Number of gradient steps of the inner loop."""
    inner_rate: float = 0.01
    """Learning rate of the inner loop."""
    tasks: int = 5
    """Number of tasks in a batch; of goals, where the suite hides goals."""
    shots: int = 10
    """Largest number of demonstrations of a problem, which is drawn from 1 to this."""

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
        """Minimal, as inner loops read single frames and no whole demonstrations."""
        return 1

    def check(self, name: str, policy: type[Policy]) -> None:
        """Refuses a policy whose loss ``vmap`` cannot map over tasks.

        Raises:
            InputError: If the policy is not vectorised.
        """
        if not policy.vectorised:
            raise InputError(
                f"Inner loops adapt to many tasks at once, which '{name}' does not"
                " support; train another policy, such as film or octo, or this one by"
                " cloning."
            )

    def meta(self, policy: Policy) -> nn.Module | None:
        """None: no module is trained beside the policy."""
        return None

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """Loss of each query after the inner loop, in float32."""
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
        """Losses of the queries, the gradient of whose mean is the meta-gradient.

        Args:
            policy: Policy whose parameters are the start of the inner loop.
            support: Samples to adapt to; tensors of shape (task, sample, …).
            query: Samples to score; tensors of shape (task, sample, …).

        Returns:
            Losses, (task, sample), and metrics by name.
        """

    @abstractmethod
    def adapted(self, policy: Policy, batches: Iterable[Batch]) -> dict[str, Tensor]:
        """Values of the adapting parameters after the inner loop, by name.

        Args:
            policy: Policy whose parameters are the start of the inner loop.
            batches: One batch of the support for each step.
        """


@dataclass(frozen=True, kw_only=True)
class InnerMethod:
    """Runs the inner loop of the policy's objective on the support.

    The adapting parameters, their learning rates and, unless the budget gives it, the
    number of steps are those of training. Each step draws ``budget.batch_size`` frames of
    the support at random.
    """

    instruction_augmentation: InstructionAugmentation = field(
        default_factory=InstructionAugmentation
    )
    """Augmentation of the instruction."""

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
    """Checks that an inner loop has not diverged.

    Raises:
        FloatingPointError: If a parameter is not finite; names the first one.
    """
    for name, value in parameters.items():
        if not value.isfinite().all():
            raise FloatingPointError(f"After the inner loop {name} is not finite.")
