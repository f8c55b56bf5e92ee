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
4. The policy is conditioned on its task, unlike the paper's: retrieved pairs stand in for
   demonstrations of the new task, so they have the new task's conditioning.
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

_ROWS = 8192  # Of the prior that are compared with the support at once.


@dataclass(frozen=True, kw_only=True)
class Retrieval(Descent):
    """Fine-tunes on the support and on the prior's steps that resemble it."""

    kept: float = 0.02
    """Fraction of the prior's steps that is retrieved, above 0 and at most 1."""
    support_fraction: float = 0.5
    """Fraction of each batch that is of the support, above 0 and below 1."""
    latent: int = 16
    """Length of the autoencoder's code."""
    width: int = 128
    """Units of its hidden layers."""
    autoencoder_steps: int = 500
    """Gradient steps of the autoencoder; they are no part of the budget."""

    objective: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If one is out of range.
        """
        super().__post_init__()
        check_counts(self, "latent", "width", "autoencoder_steps")
        if not 0 < self.kept <= 1:
            raise InputError(f"kept is {self.kept}; give more than 0 and at most 1.")
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
            ValueError: If the support names no prior, or one that does not fit.
        """
        config = self.descent(budget)
        policy = copied(trained.policy, partial(belongs, trained.policy, "all"))
        parameters = trained_parameters(policy)
        descend(policy, self._draws(trained, support, generator), config)
        return Adapted(policy, trained.card, config.steps, parameters)

    def _draws(
        self, trained: TrainedPolicy, support: Support, generator: Generator
    ) -> Draws:
        prior = prior_of(trained, support, otherwise="take finetune")
        new = varied_material(self, trained, support.demonstrations)
        old = varied_material(self, trained, prior)
        old = replace(old, frames=old.frames.resident())  # All of them are encoded.
        rows = self.retrieved(new.frames, old.frames, generator)
        sampler = sampler_of(new, generator)
        chosen = RetrievedSampler(old, new, rows, seed_of(generator))
        return Cotraining(sampler, chosen, 1 - self.support_fraction)  # Departure 3.

    def retrieved(self, support: Frames, prior: Frames, generator: Generator) -> Tensor:
        """Rows of the prior's frames that resemble the support; (retrieved,)."""
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


class RetrievedSampler:
    """Draws among retrieved steps, each as likely as any other, with the new task's conditioning.

    Args:
        prior: Where the steps are.
        support: Has the conditioning of the new task.
        rows: Rows of the prior's frames that samples start at; (retrieved,).
        seed: Seed of the draws.
    """

    def __init__(
        self, prior: Material, support: Material, rows: Tensor, seed: int
    ) -> None:
        self._prior, self._support = prior, support
        self._rows, self._seed = rows, seed
        self._generator = Generator(rows.device)

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step."""
        prior, support = self._prior, self._support
        generator = self._generator.manual_seed(mixed(self._seed, step))
        drawn = torch.randint(
            len(self._rows), (size,), generator=generator, device=self._rows.device
        )
        frame = self._rows[drawn]
        task = prior.frames.task[frame]
        new = torch.zeros_like(task)  # Departure 4.
        fixed = support.wordings.sample(new, generator)
        change, made = None, prior.augmenter
        if made is not None:
            change = made.singly(task, generator)
        return gather(
            prior.frames, frame, fixed, support.conditioning, prior.chunk, change
        )
