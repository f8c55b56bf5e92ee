"""Behaviour retrieval: fine-tuning on the support and on what resembles it in the prior.

Source: Du et al. 2023, "Behavior Retrieval: Few-Shot Imitation Learning by Querying
Unlabeled Datasets" (arXiv:2304.08742): a variational autoencoder of state and action,
trained on the prior, gives z; S(s, a) = -min over the support of |z - z*|^2; pairs of the
prior whose S is high join the support. Departures from the paper:

1. The pairs kept are a part of the prior, the best by S, not those above a threshold on
   S scaled to lie between 0 and 1: the part says what it costs.
2. The trained policy goes on learning; the paper trains one from nothing.
3. Support and retrieved pairs are drawn in fixed parts, not by their numbers: of one
   demonstration and a large prior hardly a sample would be of the support.
4. The policy is told its task, which the paper's is not: as the retrieved pairs stand in
   for demonstrations of the new task, it is told the new task there too.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from robomtl.adaptation.autoencoder import fitted
from robomtl.adaptation.gradient import (
    copied,
    descend,
    material_of,
    sampler_of,
    seed_of,
    trained_parameters,
)
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.mixing import FrameSampler, MixedSampler
from robomtl.adaptation.support import Support
from robomtl.checkpoint import Card, TrainedPolicy
from robomtl.conditioning import Augmentation
from robomtl.demonstrations import Demonstrations
from robomtl.training.config import TrainConfig
from robomtl.training.objective import Draws, Material
from robomtl.training.samples import Frames, frames

_ROWS = 8192  # Of the prior that are compared with the support at once.


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Fine-tunes on the support and on the prior's steps that resemble it."""

    kept: float = 0.02
    """Part of the prior's steps that is retrieved, above 0 and at most 1."""
    share: float = 0.5
    """Part of each batch that is of the support, above 0 and below 1."""
    latent: int = 16
    """Length of the autoencoder's code."""
    width: int = 128
    """Units of its hidden layers."""
    autoencoder_steps: int = 500
    """Gradient steps of the autoencoder; they are no part of the budget."""
    steps: int = 300
    """Gradient steps of the policy, unless the budget has another number."""
    learning_rate: float = 5e-4
    """Largest learning rate of AdamW; it falls along half a cosine."""
    weight_decay: float = 1e-2
    """Weight decay of AdamW."""
    ema: float = 0.99
    """Decay of the averaged weights that act."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """How wordings are varied."""

    objective: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        """Checks the parts.

        Raises:
            ValueError: If one is out of range.
        """
        if not 0 < self.kept <= 1:
            raise ValueError(f"kept is {self.kept}; give more than 0 and at most 1.")
        if not 0 < self.share < 1:
            raise ValueError(
                f"share is {self.share}; give more than 0 and less than 1."
            )

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """The policy after gradient steps on the support and the retrieved steps.

        Raises:
            ValueError: If the support names no prior, or one that does not fit.
        """
        policy = copied(trained.policy, lambda name: not name.startswith("meta."))
        parameters = trained_parameters(policy)
        conditioning = trained.card.conditioning
        material = material_of(support, conditioning, self.augmentation, policy.chunk)
        prior = _frames(_prior(support, trained.card))
        config = TrainConfig(
            steps=budget.steps or self.steps,
            batch=budget.batch,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule="cosine",
            ema=self.ema,
        )
        descend(policy, self._draws(material, prior, generator), config)
        return Adapted(policy, trained.card, config.steps, parameters)

    def _draws(self, support: Material, prior: Frames, generator: Generator) -> Draws:
        rows = self.retrieved(support.frames, prior, generator)
        told = replace(prior, task=torch.zeros_like(prior.task))  # Departure 4.
        return MixedSampler(  # Departure 3.
            sampler_of(support, generator),
            FrameSampler(replace(support, frames=told), rows, seed_of(generator)),
            share=self.share,
        )

    def retrieved(self, support: Frames, prior: Frames, generator: Generator) -> Tensor:
        """Rows of the prior's frames that resemble the support; (retrieved,)."""
        encode = fitted(
            prior.state,
            prior.action,
            latent=self.latent,
            width=self.width,
            steps=self.autoencoder_steps,
            generator=generator,
        )
        similar = similarity(
            encode(prior.state, prior.action), encode(support.state, support.action)
        )
        count = max(1, round(self.kept * len(prior)))  # Departure 1.
        return similar.topk(count).indices


def similarity(prior: Tensor, support: Tensor) -> Tensor:
    """S of each code of the prior: minus its squared distance to the nearest.

    Args:
        prior: Shape (pair, latent).
        support: Shape (step, latent).

    Returns:
        Shape (pair,); 0 or less.
    """
    parts = [torch.cdist(part, support).amin(-1) for part in torch.split(prior, _ROWS)]
    return -torch.cat(parts).square()


def _prior(support: Support, card: Card) -> Demonstrations:
    """The prior of a support, which must be there and fit."""
    prior = support.prior
    if prior is None:
        raise ValueError(
            "Retrieval looks through demonstrations of earlier tasks, and the support"
            " names none; give Support(demonstrations=..., prior=...)."
        )
    for feature in ("state", "action"):
        size, expected = getattr(prior, feature).shape[1], getattr(card.spec, feature)
        if size != expected:
            raise ValueError(
                f"The policy takes {feature} of length {expected}; the prior has"
                f" {size}."
            )
    return prior


def _frames(prior: Demonstrations) -> Frames:
    return frames(prior, range(len(prior)), torch.device("cpu"))
