"""In-context imitation: the demonstrations of the new task are the policy's prompt.

Training sees whole small problems: the prompt is some demonstrations of a task, their
order and number drawn anew, and the loss is that of acting in others of the same task,

    min over θ of Σ_i E over (o, a) in D_i^query of ℓ(π_θ(o | prompt D_i^support), a).

Source: Fu et al. 2024, "In-Context Imitation Learning via Next-Token Prediction" (ICRT,
arXiv:2408.15980, section 3), with its loss on what follows the prompt only. Departures:

1. Queries are single observations of other demonstrations, not a continued sequence.
2. Now and then no demonstration is shown, so that the policy acts sensibly without.
"""

import copy
from dataclasses import dataclass
from typing import ClassVar, Protocol, cast, runtime_checkable

from torch import Generator

from robomtl.adaptation.meta.inferring import objective_of, whole, withheld
from robomtl.adaptation.meta.problems import Problems
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.errors import InputError
from robomtl.policy import Batch, Context, Loss, Policy
from robomtl.ranges import check_counts, check_parts
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
    """Part of the problems in which no demonstration is shown."""

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

    def meta(self, policy: Policy) -> None:
        """Nothing is learned beside the policy.

        Raises:
            InputError: If the policy has no prompt.
        """
        if not isinstance(policy, Prompted):
            raise InputError(
                f"The objective in_context trains a policy that reads demonstrations,"
                f" which {type(policy).__name__} does not; take policy='in_context', or"
                " the objective context with this one."
            )

    @property
    def thinned(self) -> int:
        """See ``Problems``."""
        return self.steps

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """The policy's loss on the queries alone, prompted by the support."""
        context = batch.context
        if policy.training:
            context = withheld(context, self.withhold)
        return cast(Prompted, policy).prompted_loss(batch.query, context)


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
            whole(support, objective.thinned, policy.device)
        )
        return Adapted(policy, trained.card)
