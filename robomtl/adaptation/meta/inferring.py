"""Task vectors that are inferred from demonstrations and condition the policy.

The vector is the part of the task embedding of the conditioning kind ``demonstration``.
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


class InferenceObjective(Protocol):
    """An objective that trains the inference of a task from demonstrations."""

    @property
    def subsampled(self) -> int:
        """Steps to which a demonstration is subsampled."""
        ...

    def infer(self, policy: Policy, context: Context) -> Tensor:
        """Vector of each task, on which the policy is conditioned; (task, demonstration)."""
        ...


def withheld(context: Context, probability: float) -> Context:
    """Masks all demonstrations of randomly chosen tasks.

    Training sometimes without demonstrations lets the policy act without them, too.

    Args:
        context: Demonstrations of some tasks.
        probability: Probability that a task's demonstrations are masked.
    """
    kept = torch.rand(len(context.mask), 1, device=context.mask.device) >= probability
    return context._replace(mask=context.mask * kept)


def conditioned_on(batch: Batch, columns: slice, inferred: Tensor) -> Batch:
    """A batch conditioned on the vector that was inferred for each of its tasks.

    Args:
        batch: Rows sorted by task, equally many of each.
        columns: Position of the vector in the task embedding.
        inferred: Vector of each task; (task, demonstration).
    """
    rows = repeat(
        inferred,
        "task size -> (task sample) size",
        sample=len(batch.task) // len(inferred),
    )
    embedding = batch.task_embedding
    parts = [
        embedding[:, : columns.start],
        rows.to(embedding.dtype),
        embedding[:, columns.stop :],
    ]
    return batch._replace(task_embedding=torch.cat(parts, dim=-1))


def support_context(support: Support, steps: int, device: torch.device) -> Context:
    """All demonstrations of a support as a context of one task.

    Args:
        support: Demonstrations of the task.
        steps: Steps to which each demonstration is subsampled.
        device: Device of the context.
    """
    demonstrations = support.demonstrations
    all_frames = frames(demonstrations, range(len(demonstrations)), device)
    episodes = torch.arange(len(demonstrations), device=device)[None]
    return context_of(
        all_frames,
        all_frames.episodes,
        episodes,
        torch.ones_like(episodes),
        steps=steps,
    )


def objective_of(trained: TrainedPolicy) -> Any:
    """The objective of a policy's training, configured by its recorded settings."""
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
        card, objective = trained.card, cast(InferenceObjective, objective_of(trained))
        with torch.inference_mode():
            context = support_context(
                support, objective.subsampled, trained.policy.device
            )
            (inferred,) = objective.infer(trained.policy, context)
        if not inferred.isfinite().all():
            raise FloatingPointError("The inferred task vector is not finite.")
        inferring = card.conditioning.inferring(support.name, inferred)
        card = replace(card, conditioning=inferring)
        return Adapted(trained.policy, card, parameters=len(inferred))
