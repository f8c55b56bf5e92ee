"""Co-training: learning a new task without forgetting the training tasks.

A fraction of each batch comes from the demonstrations that the policy was trained on. With
the fraction p the mean loss is (1 - p) L(support) + p L(prior), which is L(support) + λ L(prior)
with λ = p / (1 - p), up to a factor: a half is λ = 1.
"""

from dataclasses import dataclass

import torch
from torch import Generator

from robomtl.adaptation.meta.gradient import Descent, material_of, sampler_of
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.policy import Batch
from robomtl.training.objective import Draws, Material


@dataclass(frozen=True, kw_only=True)
class Transfer(Descent):
    """Settings of gradient steps that start from what the policy has learned."""

    cotraining: float = 0.0
    """Fraction of each batch that is drawn from the prior demonstrations."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If one is out of range.
        """
        super().__post_init__()
        if not 0 <= self.cotraining < 1:
            raise InputError(
                f"cotraining is {self.cotraining}; give 0 to below 1, the part of each"
                " batch that is drawn from the prior demonstrations."
            )

    def draws(
        self, trained: TrainedPolicy, support: Support, generator: Generator
    ) -> Draws:
        """Batches of the support, and of the prior for the fraction ``cotraining``.

        Raises:
            ValueError: If it is, and there are no prior demonstrations that fit.
        """
        new = sampler_of(
            varied_material(self, trained, support.demonstrations), generator
        )
        if not self.cotraining:
            return new
        prior = prior_of(trained, support, otherwise="cotraining=0")
        old = sampler_of(varied_material(self, trained, prior), generator)
        return Cotraining(new, old, self.cotraining)


def varied_material(
    descent: Descent, trained: TrainedPolicy, demonstrations: Demonstrations
) -> Material:
    """Demonstrations as training material, augmented by the settings, on the policy's device."""
    return material_of(
        trained.policy,
        demonstrations,
        trained.card.conditioning,
        instruction_augmentation=descent.instruction_augmentation,
        augmentation=descent.augmentation,
    )


class Cotraining:
    """Draws a fraction of each batch from prior demonstrations, the rest from a support.

    Tasks of the prior are numbered from 1 on; the new task is 0.

    Args:
        support: Draws the first rows; a ``Batch``, as does ``prior``.
        prior: Draws the others; tells the policy as much.
        part: Part of the rows that the prior has, above 0 and below 1; each of the two
            has at least one row.
    """

    def __init__(self, support: Draws, prior: Draws, part: float) -> None:
        self._support, self._prior, self._part = support, prior, part

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step.

        Raises:
            InputError: If it has no room for both.
        """
        if size < 2:
            raise InputError(
                f"Co-training needs batches of at least 2, one of the support and one of"
                f" the prior; the budget has batch_size={size}."
            )
        old = min(max(round(self._part * size), 1), size - 1)
        new, prior = self._support.batch(step, size - old), self._prior.batch(step, old)
        return joined(new, prior._replace(task=prior.task + 1))


def joined(first: Batch, second: Batch) -> Batch:
    """The rows of one batch, then those of another of the same chunk."""
    observation = {
        name: torch.cat([value, second.observation[name]])
        for name, value in first.observation.items()
    }
    rest = zip(first[1:], second[1:], strict=True)
    return Batch(observation, *(torch.cat(pair) for pair in rest))


def prior_of(
    trained: TrainedPolicy, support: Support, *, otherwise: str
) -> Demonstrations:
    """The prior demonstrations of a support, which must be there and fit.

    Args:
        trained: What they are to fit.
        support: Names them.
        otherwise: What else one can do where there are none, for the message.

    Raises:
        InputError: If there are none, or their sizes are others.
    """
    prior, spec = support.prior, trained.card.spec
    if prior is None:
        raise InputError(
            "The support does not name the demonstrations that the policy was trained"
            f" on, of which a part of each batch is to be; give Support(prior=...), or"
            f" {otherwise}."
        )
    for feature in ("state", "action"):
        size, expected = getattr(prior, feature).shape[1], getattr(spec, feature)
        if expected and size != expected:  # A policy of pictures reads no state.
            raise InputError(
                f"The policy takes {feature} of length {expected}; the prior"
                f" demonstrations have {size}."
            )
    return prior
