"""Demonstrations as one vector, and how a policy is told of it.

The vector is the mean of what a small network sees at each step of all demonstrations,
so that neither their order nor their number matters, and is told to the policy as the
conditioning kind ``demonstration``.
"""

from dataclasses import replace
from typing import Any, Literal, Protocol, cast

import torch
from einops import rearrange, reduce, repeat
from torch import Tensor, nn

from robomtl import checkpoint
from robomtl.adaptation.method import Adapted
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.policy import Batch, Context, Policy
from robomtl.training.episodic import context_of, spans
from robomtl.training.samples import frames

Pooling = Literal["mean", "attention"]


class Infers(Protocol):
    """An objective that trains the inference of a task from demonstrations."""

    @property
    def steps(self) -> int:
        """Steps to which a demonstration is thinned."""
        ...

    def infer(self, policy: Policy, context: Context) -> Tensor:
        """What the policy is to be told of each task; (task, demonstration)."""
        ...


class AttentionPool(nn.Module):
    """A mean in which learned questions weigh the steps, each a part of the features.

    Args:
        width: Length of the features.
        questions: How many; they share the width.
    """

    def __init__(self, width: int, questions: int = 4) -> None:
        super().__init__()
        self.scores = nn.Linear(width, questions)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """(task, shot, time, width), (task, shot) -> (task, width)."""
        hidden = (mask == 0)[..., None, None]
        scores = self.scores(features).float().masked_fill(hidden, -1e9)
        weights = rearrange(scores, "t s n q -> t (s n) q").softmax(dim=1)
        values = rearrange(
            features, "t s n (q part) -> t (s n) q part", q=weights.shape[-1]
        )
        pooled = torch.einsum("tnq,tnqp->tqp", weights.to(values.dtype), values)
        return rearrange(pooled, "t q part -> t (q part)")


class MeanPool(nn.Module):
    """The mean over the steps of the demonstrations that are there."""

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """(task, shot, time, width), (task, shot) -> (task, width)."""
        shots = reduce(features, "task shot time width -> task shot width", "mean")
        total = (shots * mask[..., None]).sum(1)
        return total / mask.sum(1, keepdim=True).clamp(min=1)


class PooledEncoder(nn.Module):
    """Demonstrations to a vector, whatever their order and number.

    Args:
        inputs: Length of a step: state, action and progress side by side.
        width: Units of the network that sees a step.
        size: Length of the vector.
        pooling: ``mean``, or ``attention`` that learns which steps tell the task.
    """

    def __init__(self, inputs: int, width: int, size: int, pooling: Pooling) -> None:
        super().__init__()
        self.step = nn.Sequential(
            nn.Linear(inputs, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.LayerNorm(width),
            nn.GELU(),
        )
        self.pool = MeanPool() if pooling == "mean" else AttentionPool(width)
        self.projection = nn.Linear(width, size)

    def forward(self, context: Context) -> Tensor:
        """The vector of each task, zeros where there is no demonstration; (task, size).

        Args:
            context: With standardised states.
        """
        features = self.step(steps_of(context))
        vector: Tensor = self.projection(self.pool(features, context.mask))
        return vector * (context.mask.amax(1, keepdim=True) > 0)

    def each(self, context: Context) -> Tensor:
        """The vector of each demonstration by itself; (task, shot, size)."""
        tasks, shots = context.mask.shape
        state, action, progress = (
            rearrange(part, "task shot ... -> (task shot) 1 ...")
            for part in (context.state, context.action, context.progress)
        )
        alone = Context(state, action, progress, state.new_ones(tasks * shots, 1))
        vectors: Tensor = self(alone)
        return rearrange(vectors, "(task shot) size -> task shot size", task=tasks)


def steps_of(context: Context) -> Tensor:
    """State, action and progress side by side; (task, shot, time, state + action + 1)."""
    return torch.cat(
        [context.state, context.action, context.progress[..., None]], dim=-1
    )


def step_size(policy: Policy) -> int:
    """Length of what ``steps_of`` returns for a policy."""
    return policy.spec.state + policy.spec.action + 1


def standardised(policy: Policy, context: Context) -> Context:
    """The demonstrations with states as the policy's network sees them."""
    return context._replace(state=policy.normaliser(context.state))


def encoder_of(policy: Policy) -> PooledEncoder:
    """The encoder that was trained beside a policy."""
    return cast(PooledEncoder, policy.meta)


def withheld(context: Context, probability: float) -> Context:
    """The demonstrations, all those of some tasks left out at random.

    A policy that is told nothing now and then in training acts sensibly when it is in
    use.

    Args:
        context: Of some tasks.
        probability: That a task keeps none.
    """
    kept = torch.rand(len(context.mask), 1, device=context.mask.device) >= probability
    return context._replace(mask=context.mask * kept)


def telling(batch: Batch, place: slice, inferred: Tensor) -> Batch:
    """A batch sorted by task that is told what was inferred of each of its tasks.

    Args:
        batch: Equally many rows of each task.
        place: Where it stands in the task embedding.
        inferred: Shape (task, demonstration).
    """
    rows = repeat(
        inferred,
        "task size -> (task sample) size",
        sample=len(batch.task) // len(inferred),
    )
    told = batch.task_embedding
    parts = [told[:, : place.start], rows.to(told.dtype), told[:, place.stop :]]
    return batch._replace(task_embedding=torch.cat(parts, dim=-1))


def whole(support: Support, steps: int) -> Context:
    """All demonstrations of a support, thinned; one task."""
    given = support.demonstrations
    there = frames(given, range(len(given)), torch.device("cpu"))
    episodes = torch.arange(len(spans(there).start))[None]
    return context_of(there, episodes, torch.ones_like(episodes), steps)


@torch.inference_mode()
def told_of(trained: TrainedPolicy, support: Support) -> Adapted:
    """The policy, told what its objective infers from the support; nothing is trained."""
    card = trained.card
    objective = cast(Infers, objective_of(trained))
    (inferred,) = objective.infer(trained.policy, whole(support, objective.steps))
    told = card.conditioning.inferring(support.name, inferred)
    card = replace(card, conditioning=told)
    return Adapted(trained.policy, card, parameters=len(inferred))


def objective_of(trained: TrainedPolicy) -> Any:
    """The objective with which a policy was trained, with its settings."""
    card = trained.card
    return checkpoint.configure_objective(card.objective, card.objective_config)
