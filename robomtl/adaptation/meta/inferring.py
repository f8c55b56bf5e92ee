"""Task vectors that are inferred from demonstrations and condition the policy.

It is in the task embedding, as the conditioning kind ``demonstration``.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, cast

import torch
from einops import repeat
from torch import Generator, Tensor

from robomtl import checkpoint
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.policy import Batch, Context, Policy
from robomtl.training.episodic import context_of
from robomtl.training.recorded import frames


class Infers(Protocol):
    """An objective that trains the inference of a task from demonstrations."""

    @property
    def subsampled(self) -> int:
        """Steps to which a demonstration is subsampled."""
        ...

    def infer(self, policy: Policy, context: Context) -> Tensor:
        """Vector of each task that the policy is conditioned on; (task, demonstration)."""
        ...


def withheld(context: Context, probability: float) -> Context:
    """The demonstrations, all those of some tasks left out at random.

    A policy that is now and then trained without the vector acts sensibly when it is in
    use.

    Args:
        context: Of some tasks.
        probability: That a task keeps none.
    """
    kept = torch.rand(len(context.mask), 1, device=context.mask.device) >= probability
    return context._replace(mask=context.mask * kept)


def telling(batch: Batch, place: slice, inferred: Tensor) -> Batch:
    """A batch sorted by task, conditioned on the vector inferred for each of its tasks.

    Args:
        batch: Equally many rows of each task.
        place: Its position in the task embedding.
        inferred: Shape (task, demonstration).
    """
    rows = repeat(
        inferred,
        "task size -> (task sample) size",
        sample=len(batch.task) // len(inferred),
    )
    embedding = batch.task_embedding
    parts = [
        embedding[:, : place.start],
        rows.to(embedding.dtype),
        embedding[:, place.stop :],
    ]
    return batch._replace(task_embedding=torch.cat(parts, dim=-1))


def whole(support: Support, steps: int, device: torch.device) -> Context:
    """All demonstrations of a support, subsampled, on a device; one task."""
    given = support.demonstrations
    every = frames(given, range(len(given)), device)
    episodes = torch.arange(len(given), device=device)[None]
    return context_of(
        every, every.episodes, episodes, torch.ones_like(episodes), steps=steps
    )


def objective_of(trained: TrainedPolicy) -> Any:
    """The objective with which a policy was trained, with its settings."""
    card = trained.card
    return checkpoint.configure_objective(card.objective, card.objective_config)


@dataclass(frozen=True, kw_only=True)
class InferringMethod:
    """Conditions the policy on the vector inferred from the support; trains nothing."""

    objective: ClassVar[str | None]
    steps: ClassVar[int] = 0

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """The same policy, conditioned on the task's vector; see ``Method``."""
        card, objective = trained.card, cast(Infers, objective_of(trained))
        with torch.inference_mode():
            context = whole(support, objective.subsampled, trained.policy.device)
            (inferred,) = objective.infer(trained.policy, context)
        if not inferred.isfinite().all():
            raise FloatingPointError("What was inferred is not finite.")
        inferring = card.conditioning.inferring(support.name, inferred)
        card = replace(card, conditioning=inferring)
        return Adapted(trained.policy, card, parameters=len(inferred))
