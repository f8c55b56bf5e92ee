"""Co-training: learning a new task without forgetting the training tasks.

A fraction p of each batch comes from the demonstrations that the policy was trained on.
The mean loss is (1 - p) L(support) + p L(prior), proportional to L(support) + λ L(prior)
with λ = p / (1 - p); p = 0.5 is λ = 1.
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
    """Settings of gradient steps that start from the trained weights."""

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
                f"cotraining is {self.cotraining}; give 0 to below 1, the fraction of each"
                " batch that is drawn from the prior demonstrations."
            )

    def draws(
        self, trained: TrainedPolicy, support: Support, generator: Generator
    ) -> Draws:
        """Sampler of the support, mixed with the prior by the fraction ``cotraining``.

        Raises:
            ValueError: If ``cotraining`` is positive and the support has no prior
                demonstrations or they do not fit the policy.
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
    """Demonstrations as augmented training material on the policy's device."""
    return material_of(
        trained.policy,
        demonstrations,
        trained.card.conditioning,
        instruction_augmentation=descent.instruction_augmentation,
        augmentation=descent.augmentation,
    )


class Cotraining:
    """Sampler that draws a fraction of each batch from the prior, the rest from the support.

    The new task has index 0; the tasks of the prior are numbered from 1 on.

    Args:
        support: Sampler of the first rows of a batch.
        prior: Sampler of the other rows, with conditioning of the same shape.
        part: Fraction of the rows drawn from the prior, above 0 and below 1; support and
            prior each get at least one row.
    """

    def __init__(self, support: Draws, prior: Draws, part: float) -> None:
        self._support, self._prior, self._part = support, prior, part

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step: rows of the support, then rows of the prior.

        Raises:
            InputError: If ``size`` is below 2.
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
    """Concatenation of two batches of the same chunk length."""
    observation = {
        name: torch.cat([value, second.observation[name]])
        for name, value in first.observation.items()
    }
    rest = zip(first[1:], second[1:], strict=True)
    return Batch(observation, *(torch.cat(pair) for pair in rest))


def prior_of(
    trained: TrainedPolicy, support: Support, *, otherwise: str
) -> Demonstrations:
    """Prior demonstrations of a support, checked against a policy.

    Args:
        trained: Policy that the demonstrations must fit.
        support: Support whose ``prior`` is returned.
        otherwise: Alternative to giving a prior, for the error message.

    Raises:
        InputError: If there is no prior, or its state or action has another length than
            the policy's.
    """
    prior, spec = support.prior, trained.card.spec
    if prior is None:
        raise InputError(
            "The support has no prior: part of each batch is drawn from the"
            " demonstrations that the policy was trained on; give Support(prior=...), or"
            f" {otherwise}."
        )
    for feature in ("state", "action"):
        size, expected = getattr(prior, feature).shape[1], getattr(spec, feature)
        if expected and size != expected:  # A policy of images reads no state.
            raise InputError(
                f"The policy expects {feature} of length {expected}; the prior"
                f" demonstrations have {size}."
            )
    return prior
