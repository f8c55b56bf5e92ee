"""TecNets: task-embedded control, conditioned on a metric embedding of the demonstrations.

Source: James, Bloesch, Davison 2018, "Task-Embedded Control Networks for Few-Shot
Imitation Learning" (arXiv:1810.03237, section 3), and its official code. The sentence of a
task is the normalised mean of the normalised embeddings of its demonstrations. A margin
loss pulls other demonstrations of the task towards its sentence and away from those of
other tasks, while the policy, conditioned on the support's sentence, clones both support
and queries. Departures:

1. A demonstration is read at evenly spaced steps, not only at the first and the last
   (``steps=2`` is the paper's), by a network over state vectors.
2. The size of the support varies between problems, so that any number of shots may be
   used for adaptation.
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
from robomtl.adaptation.meta.inferring import InferringMethod, conditioned_on
from robomtl.adaptation.meta.problems import Problems
from robomtl.errors import InputError
from robomtl.policy import Context, Loss, Policy
from robomtl.policy_contract import loss_of
from robomtl.ranges import check_counts, check_not_negative
from robomtl.training.episodic import Episodic


def sentence(embeddings: Tensor, mask: Tensor) -> Tensor:
    """Sentence of each task: s = norm(mean_k norm(f(τ_k))).

    Args:
        embeddings: Embedding of each demonstration; (task, shot, size).
        mask: 1 for demonstrations, 0 for padding; (task, shot).

    Returns:
        Unit vectors, zeros for a task without demonstrations; (task, size).
    """
    units = functional.normalize(embeddings, dim=-1) * mask[..., None]
    return functional.normalize(units.sum(1), dim=-1)  # The mean's direction.


def margin_loss(query: Tensor, sentences: Tensor, margin: float) -> Tensor:
    """Embedding loss of each task: mean of max(0, margin - q · s_i + q · s_j), j ≠ i.

    Args:
        query: Normalised embeddings q of other demonstrations; (task, shot, size).
        sentences: Unit vectors s; (task, size).
        margin: Least difference of the similarities to the own and to another sentence.

    Returns:
        Shape (task,); zero if there is only one task.
    """
    tasks = len(sentences)
    similarity = torch.einsum("iqd,jd->iqj", query, sentences)
    own_similarity = torch.einsum("iqd,id->iq", query, sentences)
    excess = (margin - own_similarity[..., None] + similarity).clamp(min=0)
    other = ~torch.eye(tasks, dtype=torch.bool, device=query.device)
    total = (excess * other[:, None]).sum((1, 2))
    return total / max((tasks - 1) * query.shape[1], 1)


@dataclass(frozen=True, kw_only=True)
class TecnetTraining(Problems):
    """Trains a task embedding by a margin loss, and a policy conditioned on it."""

    size: int = 20
    """Length of the embedding."""
    width: int = 128
    """Units of the encoder."""
    margin: float = 0.1
    """Margin by which a demonstration should be closer to the sentence of its own task
    than to that of another task."""
    embedding_weight: float = 1.0
    """Weight of the margin loss."""
    support_weight: float = 0.1
    """Weight of the loss of cloning the support."""
    query_weight: float = 0.1
    """Weight of the loss of cloning the queries."""
    queries: int = 2
    """Number of query demonstrations of each task in the margin loss."""
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
            raise InputError(
                f"tasks is {self.tasks}; the margin loss needs at least 2 tasks."
            )
        weights = ("embedding_weight", "support_weight", "query_weight")
        check_not_negative(self, "margin", *weights)

    @property
    def demonstration(self) -> int:
        """Length of the embedding."""
        return self.size

    def meta(self, policy: Policy) -> PooledEncoder:
        """Encoder of demonstrations, trained with the policy."""
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
        """Weighted sum of margin loss, support loss and query loss of each sample."""
        assert batch.others is not None
        sentences = self.infer(policy, batch.context)
        embeddings = encoder_of(policy).encode_separately(
            standardised(policy, batch.others)
        )
        shown = functional.normalize(embeddings.float(), dim=-1)
        with torch.autocast(shown.device.type, enabled=False):
            margin = margin_loss(shown, sentences, self.margin)
        support, query = (
            loss_of(policy, conditioned_on(part, batch.inferred_slice, sentences))
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
        """Sentence of each task; (task, size)."""
        embeddings = encoder_of(policy).encode_separately(standardised(policy, context))
        return sentence(embeddings.float(), context.mask)


@dataclass(frozen=True, kw_only=True)
class Tecnet(InferringMethod):
    """Conditions the policy on the sentence of the support."""

    objective: ClassVar[str | None] = "tecnet"
