"""In-context imitation: the demonstrations of the new task are the policy's prompt.

Training is episodic: the prompt consists of some demonstrations of a task, in random order
and number, and the loss is that of predicting actions in other demonstrations of the task,

    min over θ of Σ_i E over (o, a) in D_i^query of ℓ(π_θ(o | prompt D_i^support), a).

Source: Fu et al. 2024, "In-Context Imitation Learning via Next-Token Prediction" (ICRT,
arXiv:2408.15980, section 3), with the loss only on actions after the prompt. Departures:

1. Queries are single observations of other demonstrations, not a continued sequence.
2. In a fraction of the problems the prompt is empty, so that the policy can act without.
3. With ``negatives``, the loss under a prompt of another task of the batch must exceed that
   under the right prompt: max(0, m + ℓ(right) − ℓ(wrong)) is added, with a margin m.
"""

import copy
from dataclasses import dataclass
from typing import ClassVar, Protocol, cast, runtime_checkable

from einops import repeat
from torch import Generator

from robomtl.adaptation.meta.inferring import objective_of, support_context, withheld
from robomtl.adaptation.meta.problems import Problems
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.errors import InputError
from robomtl.policy import Batch, Context, Loss, Policy
from robomtl.ranges import check_counts, check_not_negative, check_parts
from robomtl.training.episodic import Episodic


@runtime_checkable
class Prompted(Protocol):
    """A policy with a prompt of demonstrations, such as ``in_context``."""

    def prompted_loss(self, batch: Batch, context: Context) -> Loss:
        """Loss of each sample with the demonstrations of its task as the prompt.

        Args:
            batch: Samples sorted by task, equally many of each.
            context: Demonstrations of each of these tasks.
        """
        ...

    def remember(self, context: Context) -> None:
        """Replaces the prompt by the demonstrations of one task."""
        ...


@dataclass(frozen=True, kw_only=True)
class InContextTraining(Problems):
    """Trains a policy to imitate the demonstrations in its prompt."""

    steps: int = 16
    """Steps to which a demonstration is subsampled."""
    withhold: float = 0.1
    """Fraction of the training problems in which the prompt is empty."""
    negatives: float = 0.0
    """Weight of the hinge loss on prompts of another task, see departure 3; 0 for none."""
    margin: float = 0.1
    """Margin m of the hinge loss: the least excess of the loss under a wrong prompt."""

    demonstration: ClassVar[int] = 0
    architecture: ClassVar[str] = "in_context"
    """Registered name of the policy that error messages suggest."""

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            ValueError: If one is out of range.
        """
        super().__post_init__()
        check_counts(self, "steps")
        check_parts(self, "withhold")
        check_not_negative(self, "negatives", "margin")
        if self.negatives and self.tasks < 2:
            raise InputError(
                f"tasks is {self.tasks}; negatives need at least 2 tasks in a batch."
            )

    def meta(self, policy: Policy) -> None:
        """None: no module is trained beside the policy.

        Raises:
            InputError: If the policy has no prompt.
        """
        if not isinstance(policy, Prompted):
            raise InputError(
                f"The objective {self.architecture} trains a policy with a prompt of"
                f" demonstrations, which {type(policy).__name__} does not have; choose"
                f" policy='{self.architecture}', or the objective context with this one."
            )

    @property
    def subsampled(self) -> int:
        """See ``Problems``."""
        return self.steps

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """Policy loss of each query, with the support as the prompt."""
        context = batch.context
        if policy.training:
            context = withheld(context, self.withhold)
        prompted = cast(Prompted, policy)
        loss = prompted.prompted_loss(batch.query, context)
        if not policy.training or not self.negatives:
            return loss
        # Each problem gets the prompt of the problem before it in the batch, also where
        # that one's own prompt is empty.
        others = Context(*(tensor.roll(1, 0) for tensor in batch.context))
        wrong = prompted.prompted_loss(batch.query, others).per_sample
        excess = (self.margin + loss.per_sample - wrong).clamp(min=0)
        shown = repeat(
            context.mask.amax(1), "task -> (task n)", n=len(excess) // batch.tasks
        )
        metrics = {**loss.metrics, "excess": (excess * shown).mean().detach()}
        return Loss(loss.per_sample + self.negatives * excess * shown, metrics)


@dataclass(frozen=True, kw_only=True)
class InContext:
    """Makes the support the policy's prompt."""

    objective: ClassVar[str | None] = "in_context"
    steps: ClassVar[int] = 0

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """A copy of the policy with the support as its prompt; see ``Method``."""
        policy = copy.deepcopy(trained.policy)
        objective = cast(InContextTraining, objective_of(trained))
        cast(Prompted, policy).remember(
            support_context(support, objective.subsampled, policy.device)
        )
        return Adapted(policy, trained.card)
