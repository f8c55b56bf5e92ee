"""In-context imitation: the demonstrations of the new task are the policy's prompt.

Training sees whole small problems: the prompt is some demonstrations of a task, their
order and number drawn anew, and the loss is that of acting in others of the same task,

    min over θ of Σ_i E over (o, a) in D_i^query of ℓ(π_θ(o | prompt D_i^support), a).

Source: Fu et al. 2024, "In-Context Imitation Learning via Next-Token Prediction" (ICRT,
arXiv:2408.15980, section 3), with its loss on what follows the prompt only. Departures:

1. Queries are single observations of other demonstrations, not a continued sequence.
2. Now and then no demonstration is shown, so that the policy acts sensibly without.
3. With ``negatives``, the demonstrations of another task of the batch have to serve worse
   than the right ones: max(0, m + ℓ(right) − ℓ(wrong)) is added, with a margin m.
"""

import copy
from dataclasses import dataclass
from typing import ClassVar, Protocol, cast, runtime_checkable

from einops import repeat
from torch import Generator

from robomtl.adaptation.meta.inferring import objective_of, whole, withheld
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
    """A policy that reads demonstrations themselves, such as ``in_context``."""

    def prompted_loss(self, batch: Batch, context: Context) -> Loss:
        """The loss of each sample under the demonstrations of its task.

        Args:
            batch: Sorted by task, equally many samples of each.
            context: The demonstrations of each of these tasks.
        """
        ...

    def remember(self, context: Context) -> None:
        """Makes demonstrations of one task the prompt, in place of any earlier."""
        ...


@dataclass(frozen=True, kw_only=True)
class InContextTraining(Problems):
    """Trains a policy to act by the demonstrations in its prompt."""

    steps: int = 16
    """Steps to which a demonstration is subsampled."""
    withhold: float = 0.1
    """Fraction of the problems in which no demonstration is shown."""
    negatives: float = 0.0
    """Weight of the hinge by which the loss under demonstrations of another task has to
    exceed that under the right ones; see departure 3. 0 for none."""
    margin: float = 0.1
    """Margin by which it has to."""

    demonstration: ClassVar[int] = 0
    architecture: ClassVar[str] = "in_context"
    """The one that reads a prompt."""

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
            raise InputError(f"tasks is {self.tasks}; negatives take 2 of them.")

    def meta(self, policy: Policy) -> None:
        """Nothing is learned beside the policy.

        Raises:
            InputError: If the policy has no prompt.
        """
        if not isinstance(policy, Prompted):
            raise InputError(
                f"The objective {self.architecture} trains a policy that reads demonstrations,"
                f" which {type(policy).__name__} does not; take"
                f" policy='{self.architecture}', or the objective context with this one."
            )

    @property
    def subsampled(self) -> int:
        """See ``Problems``."""
        return self.steps

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """The policy's loss on the queries alone, prompted by the support."""
        context = batch.context
        if policy.training:
            context = withheld(context, self.withhold)
        prompted = cast(Prompted, policy)
        loss = prompted.prompted_loss(batch.query, context)
        if not policy.training or not self.negatives:
            return loss
        others = Context(*(part.roll(1, 0) for part in context))
        wrong = prompted.prompted_loss(batch.query, others).per_sample
        excess = (self.margin + loss.per_sample - wrong).clamp(min=0)
        shown = repeat(
            context.mask.amax(1), "task -> (task n)", n=len(excess) // batch.tasks
        )
        metrics = {**loss.metrics, "excess": (excess * shown).mean().detach()}
        return Loss(loss.per_sample + self.negatives * excess * shown, metrics)


@dataclass(frozen=True, kw_only=True)
class InContext:
    """Puts the support into the policy's prompt."""

    objective: ClassVar[str | None] = "in_context"
    steps: ClassVar[int] = 0

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """A copy of the policy that remembers the support; see ``Method``."""
        policy = copy.deepcopy(trained.policy)
        objective = cast(InContextTraining, objective_of(trained))
        cast(Prompted, policy).remember(
            whole(support, objective.subsampled, policy.device)
        )
        return Adapted(policy, trained.card)
