"""Task-embedded control: tasks as directions, which demonstrations of them share.

Source: James, Bloesch, Davison 2018, "Task-Embedded Control Networks for Few-Shot
Imitation Learning" (arXiv:1810.03237, section 3), and its official code. A task's
sentence is the normalised mean of the normalised embeddings of its demonstrations; a
margin loss pulls other demonstrations of the task to it and away from those of other
tasks, while the policy clones support and query, both conditioned on the support's sentence.
Departures:

1. A demonstration is seen at evenly spaced steps, not at its first and last alone
   (``steps=2`` is the paper's), by a network over state vectors.
2. The support's size varies from problem to problem, so that any number of shots may come.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import repeat
from torch import Tensor
from torch.nn import functional

from robomtl.adaptation.meta.encoding import (
    PooledEncoder,
    encoder_of,
    standardised,
    step_size,
)
from robomtl.adaptation.meta.inferring import InferringMethod, telling
from robomtl.adaptation.meta.problems import Problems
from robomtl.errors import InputError
from robomtl.policy import Context, Loss, Policy
from robomtl.policy_border import loss_of
from robomtl.ranges import check_counts, check_not_negative
from robomtl.training.episodic import Episodic


def sentence(embeddings: Tensor, mask: Tensor) -> Tensor:
    """The sentence of each task: s = norm(mean_k norm(f(τ_k))).

    Args:
        embeddings: Of its demonstrations; (task, shot, size).
        mask: Which of them are there, 1 or 0; (task, shot).

    Returns:
        Vectors of length 1, zeros for a task without demonstration; (task, size).
    """
    units = functional.normalize(embeddings, dim=-1) * mask[..., None]
    return functional.normalize(units.sum(1), dim=-1)  # The mean's direction.


def margin_loss(query: Tensor, sentences: Tensor, margin: float) -> Tensor:
    """The embedding loss of each task: mean of max(0, margin - q · s_i + q · s_j), j ≠ i.

    Args:
        query: Normalised embeddings q of other demonstrations; (task, shot, size).
        sentences: Of length 1; (task, size).
        margin: By which the own sentence is to be closer than any other.

    Returns:
        Shape (task,); zeros for a task alone.
    """
    tasks = len(sentences)
    likeness = torch.einsum("iqd,jd->iqj", query, sentences)
    own = torch.einsum("iqd,id->iq", query, sentences)
    excess = (margin - own[..., None] + likeness).clamp(min=0)
    other = ~torch.eye(tasks, dtype=torch.bool, device=query.device)
    total = (excess * other[:, None]).sum((1, 2))
    return total / max((tasks - 1) * query.shape[1], 1)


@dataclass(frozen=True, kw_only=True)
class TecnetTraining(Problems):
    """Trains an embedding of tasks by a margin, and the policy that it conditions."""

    size: int = 20
    """Length of the embedding."""
    width: int = 128
    """Units of the encoder."""
    margin: float = 0.1
    """Margin by which a demonstration is closer to its own task's sentence than to
    another's."""
    embedding_weight: float = 1.0
    """Weight of the margin loss."""
    support_weight: float = 0.1
    """Weight of the loss of cloning the support."""
    query_weight: float = 0.1
    """Weight of the loss of cloning the queries."""
    queries: int = 2
    """Other demonstrations of each task that are compared with the sentences."""
    steps: int = 20
    """Steps to which a demonstration is subsampled."""

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: If one is out of range.
        """
        super().__post_init__()
        check_counts(self, "size", "width", "queries", "steps")
        if self.tasks < 2:
            raise InputError(f"tasks is {self.tasks}; a contrast of tasks takes 2.")
        weights = ("embedding_weight", "support_weight", "query_weight")
        check_not_negative(self, "margin", *weights)

    @property
    def demonstration(self) -> int:
        """Length of the embedding."""
        return self.size

    def meta(self, policy: Policy) -> PooledEncoder:
        """The encoder of demonstrations."""
        return PooledEncoder(step_size(policy), self.width, self.size, "mean")

    @property
    def subsampled(self) -> int:
        """See ``Problems``."""
        return self.steps

    @property
    def others(self) -> int:
        """See ``Problems``."""
        return self.queries

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """Margin loss and both control losses, of each query."""
        assert batch.others is not None
        sentences = self.infer(policy, batch.context)
        embeddings = encoder_of(policy).each(standardised(policy, batch.others))
        shown = functional.normalize(embeddings.float(), dim=-1)
        with torch.autocast(shown.device.type, enabled=False):
            margin = margin_loss(shown, sentences, self.margin)
        support, query = (
            loss_of(policy, telling(part, batch.place, sentences))
            for part in (batch.support, batch.query)
        )
        rows = len(batch.task) // len(margin)
        per_sample = (
            self.embedding_weight * repeat(margin, "task -> (task row)", row=rows)
            + self.support_weight * support.per_sample
            + self.query_weight * query.per_sample
        )
        metrics = {**query.metrics, "margin_loss": margin.mean().detach()}
        return Loss(per_sample, metrics)

    def infer(self, policy: Policy, context: Context) -> Tensor:
        """The sentence of each task; (task, size)."""
        embeddings = encoder_of(policy).each(standardised(policy, context))
        return sentence(embeddings.float(), context.mask)


@dataclass(frozen=True, kw_only=True)
class Tecnet(InferringMethod):
    """Conditions the policy on the support's sentence, a direction in a learned space."""

    objective: ClassVar[str | None] = "tecnet"
