"""Co-training: learning a new task without leaving the old ones.

Part of each batch comes from the demonstrations that the policy was trained on. With the
part p the mean loss is (1 - p) L(support) + p L(prior), which is L(support) + λ L(prior)
with λ = p / (1 - p), up to a factor: a half is λ = 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from robomtl.adaptation.gradient import Descent, material_of, sampler_of
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.conditioning import Augmentation, Wordings
from robomtl.demonstrations import Demonstrations
from robomtl.policy import Batch
from robomtl.training.constructing import constructor_for
from robomtl.training.construction import Construction
from robomtl.training.material import instructions
from robomtl.training.objective import Draws, Material
from robomtl.training.samples import Sampler, frames


@dataclass(frozen=True, kw_only=True)
class Transfer(Descent):
    """Settings of gradient steps that start from what the policy has learned."""

    cotraining: float = 0.0
    """Part of each batch that is drawn from the prior demonstrations."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: If one is out of range.
        """
        super().__post_init__()
        if not 0 <= self.cotraining < 1:
            raise ValueError(
                f"cotraining is {self.cotraining}; give 0 to below 1, the part of each"
                " batch that is drawn from the prior demonstrations."
            )

    def draws(
        self, trained: TrainedPolicy, support: Support, generator: Generator
    ) -> Draws:
        """Batches of the support, in part of the prior if that is asked for.

        Raises:
            ValueError: If it is, and there are no prior demonstrations that fit.
        """
        told, chunk = trained.card.conditioning, trained.policy.chunk
        varied = self.augmentation, chunk, self.construction
        material = material_of(support, told, *varied)
        new = sampler_of(material, generator)
        if not self.cotraining:
            return new
        prior = _prior(trained, support)
        old = sampler_of(_material(prior, trained, *varied), generator)
        return Cotraining(new, old, self.cotraining)


class Cotraining:
    """Draws part of each batch from a support, the rest from prior demonstrations.

    Tasks of the prior are numbered from 1 on; the new task is 0.

    Args:
        support: Draws the first rows.
        prior: Draws the others.
        part: Part of the rows that the prior has, above 0 and below 1; each of the two
            has at least one row.
    """

    def __init__(self, support: Sampler, prior: Sampler, part: float) -> None:
        self._support, self._prior, self._part = support, prior, part

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step.

        Raises:
            ValueError: If it has no room for both.
        """
        if size < 2:
            raise ValueError(
                f"Co-training needs batches of at least 2, one of the support and one of"
                f" the prior; the budget has batch={size}."
            )
        old = min(max(round(self._part * size), 1), size - 1)
        new, prior = self._support.batch(step, size - old), self._prior.batch(step, old)
        return joined(new, prior._replace(task=prior.task + 1))


def joined(first: Batch, second: Batch) -> Batch:
    """The rows of one batch, then those of another of the same chunk."""

    def both(part: str) -> Tensor:
        return torch.cat([getattr(first, part), getattr(second, part)])

    return Batch(
        observation=_joined(first.observation, second.observation),
        action=both("action"),
        mask=both("mask"),
        task_embedding=both("task_embedding"),
        task=both("task"),
    )


def _joined(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    return {name: torch.cat([value, second[name]]) for name, value in first.items()}


def _prior(trained: TrainedPolicy, support: Support) -> Demonstrations:
    """The prior demonstrations, if they are there and fit."""
    prior, spec = support.prior, trained.card.spec
    if prior is None:
        raise ValueError(
            "Co-training needs the demonstrations that the policy was trained on; give"
            " Support(prior=...), or cotraining=0."
        )
    for feature in ("state", "action"):
        size, expected = getattr(prior, feature).shape[1], getattr(spec, feature)
        if size != expected:
            raise ValueError(
                f"The policy takes {feature} of length {expected}; the prior"
                f" demonstrations have {size}."
            )
    return prior


def _material(
    prior: Demonstrations,
    trained: TrainedPolicy,
    augmentation: Augmentation,
    chunk: int,
    construction: Construction,
) -> Material:
    """All frames of the prior, and what the policy is told there."""
    told = replace(trained.card.conditioning, tasks=prior.tasks)
    return Material(
        frames=frames(prior, range(len(prior)), torch.device("cpu")),
        wordings=Wordings(told, instructions(prior), augmentation),
        conditioning=told,
        chunk=chunk,
        constructor=constructor_for(construction, prior, torch.device("cpu")),
    )
