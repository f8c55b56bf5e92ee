"""Behaviour retrieval: fine-tuning on the support and on similar steps of the prior.

Source: Du et al. 2023, "Behavior Retrieval: Few-Shot Imitation Learning by Querying
Unlabeled Datasets" (arXiv:2304.08742): a variational autoencoder of state-action pairs,
trained on the prior, encodes a pair to z; its similarity to the support is
S(s, a) = -min over the support of |z - z*|^2; pairs of the prior with high S are added to
the support. Departures from the paper:

1. A fixed fraction of the prior with the highest S is kept, not the pairs above a
   threshold on S scaled to [0, 1]: the fraction determines the cost.
2. The trained policy is fine-tuned; the paper trains one from scratch.
3. Support and retrieved pairs make up fixed fractions of a batch, whatever their numbers:
   with one demonstration and a large prior, hardly a sample would be of the support.
4. Unlike the paper's, the policy is conditioned on its task: retrieved pairs are used as
   demonstrations of the new task, with the conditioning of the new task.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Generator, Tensor

from robomtl.adaptation.meta.autoencoder import train_autoencoder
from robomtl.adaptation.meta.cotraining import Cotraining, prior_of, varied_material
from robomtl.adaptation.meta.gradient import (
    Descent,
    copied,
    descend,
    sampler_of,
    seed_of,
    trained_parameters,
)
from robomtl.adaptation.meta.parts import belongs
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.errors import InputError
from robomtl.policy import Batch
from robomtl.ranges import check_counts
from robomtl.training.frames import Frames
from robomtl.training.objective import Draws, Material
from robomtl.training.samples import gather, mixed

_ROWS = 8192  # Steps of the prior that are compared with the support at once.


@dataclass(frozen=True, kw_only=True)
class Retrieval(Descent):
    """Fine-tunes on the support and on the most similar steps of the prior."""

    retrieved_fraction: float = 0.02
    """Fraction of the prior's steps that is retrieved, above 0 and at most 1."""
    support_fraction: float = 0.5
    """Fraction of each batch that is drawn from the support, above 0 and below 1."""
    latent: int = 16
    """Length of the autoencoder's code."""
    width: int = 128
    """Units of the autoencoder's hidden layers."""
    autoencoder_steps: int = 500
    """Gradient steps of the autoencoder; the budget does not count them."""

    objective: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If one is out of range.
        """
        super().__post_init__()
        check_counts(self, "latent", "width", "autoencoder_steps")
        if not 0 < self.retrieved_fraction <= 1:
            raise InputError(
                f"retrieved_fraction is {self.retrieved_fraction}; give more than 0 and at most 1."
            )
        if not 0 < self.support_fraction < 1:
            raise InputError(
                f"support_fraction is {self.support_fraction}; give more than 0 and less"
                " than 1."
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
            ValueError: If the support has no prior, or one that does not fit the policy.
        """
        config = self.descent(budget)
        policy = copied(trained.policy, partial(belongs, trained.policy, "all"))
        parameters = trained_parameters(policy)
        descend(policy, self._draws(trained, support, generator), config)
        return Adapted(policy, trained.card, config.steps, parameters)

    def _draws(
        self, trained: TrainedPolicy, support: Support, generator: Generator
    ) -> Draws:
        prior = prior_of(trained, support, otherwise="choose the method finetune")
        new = varied_material(self, trained, support.demonstrations)
        old = varied_material(self, trained, prior)
        old = replace(old, frames=old.frames.resident())  # All of them are encoded.
        rows = self.retrieved(new.frames, old.frames, generator)
        sampler = sampler_of(new, generator)
        chosen = RetrievedSampler(old, new, rows, seed_of(generator))
        return Cotraining(sampler, chosen, 1 - self.support_fraction)  # Departure 3.

    def retrieved(self, support: Frames, prior: Frames, generator: Generator) -> Tensor:
        """Row indices of the prior's frames most similar to the support; (retrieved,).

        Args:
            support: Frames of the support.
            prior: Frames of the prior, all of them in memory.
            generator: Source of all random numbers.
        """
        encode = train_autoencoder(
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
        count = max(1, round(self.retrieved_fraction * len(prior)))  # Departure 1.
        return similar.topk(count).indices


def similarity(prior: Tensor, support: Tensor) -> Tensor:
    """Similarity S of each pair of the prior: minus the least squared distance of codes.

    Args:
        prior: Codes of the prior; (pair, latent).
        support: Codes of the support; (step, latent).

    Returns:
        Shape (pair,); 0 or less.
    """
    parts = [torch.cdist(part, support).amin(-1) for part in torch.split(prior, _ROWS)]
    return -torch.cat(parts).square()


class RetrievedSampler:
    """Uniform sampler of retrieved steps, with the conditioning of the new task.

    Args:
        prior: Material that contains the retrieved steps.
        support: Material of the new task, whose conditioning is used.
        rows: Row indices of the retrieved frames, where samples start; (retrieved,).
        seed: Seed of the draws.
    """

    def __init__(
        self, prior: Material, support: Material, rows: Tensor, seed: int
    ) -> None:
        self._prior, self._support = prior, support
        self._rows, self._seed = rows, seed
        self._generator = Generator(rows.device)

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step, determined by the seed and the step."""
        prior, support = self._prior, self._support
        generator = self._generator.manual_seed(mixed(self._seed, step))
        drawn = torch.randint(
            len(self._rows), (size,), generator=generator, device=self._rows.device
        )
        frame = self._rows[drawn]
        task = prior.frames.task[frame]
        new = torch.zeros_like(task)  # Departure 4.
        fixed = support.wordings.sample(new, generator)
        transform = None
        if prior.augmenter is not None:
            transform = prior.augmenter.singly(task, generator)
        return gather(
            prior.frames, frame, fixed, support.conditioning, prior.chunk, transform
        )
