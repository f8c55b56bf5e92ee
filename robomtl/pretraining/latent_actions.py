"""Latent actions from episodes without actions: discrete codes of the change between frames.

Source: Schmidt and Jiang 2024, "Learning to Act without Actions" (LAPO, arXiv:2312.10812):
an inverse model infers a quantised latent action z from a frame and a later one, a forward
model predicts the later frame from the first one and z. Departures:

1. z is quantised component by component by rounding (Mentzer et al. 2023, arXiv:2309.15505),
   which needs neither a codebook nor its own loss.
2. Both models read the policy's features, which they train, and the later frame is
   predicted as its state and an image of few pixels.
3. The first frame is reconstructed from its features as well, with z = 0.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from robomtl.errors import InputError
from robomtl.policy import Loss, Policy
from robomtl.pretraining.clips import Clips, Times, spaced
from robomtl.pretraining.objectives import (
    Pretraining,
    clip_features,
    perceptron,
    width_of,
)
from robomtl.pretraining.reconstruction import Targets
from robomtl.ranges import check_counts


class Model(nn.Module):
    """The inverse and the forward model; see the module.

    Args:
        policy: Policy whose features the models read.
        settings: Sizes of the models.
    """

    def __init__(self, policy: Policy, settings: "LatentActions") -> None:
        super().__init__()
        features, width, size = width_of(policy), settings.width, settings.size
        self._reach = (settings.levels - 1) / 2
        self.size = size
        self.targets = Targets(policy, settings.grid)
        self.inverse = perceptron(2 * features, width, size)
        self.future = perceptron(features + size, width, self.targets.size)

    def latent(self, first: Tensor, later: Tensor) -> Tensor:
        """Quantised latent actions between frames, within [-1, 1]; (clip, size).

        Args:
            first: Features of the first frames; (clip, width).
            later: Features of the later frames; (clip, width).
        """
        inferred = torch.tanh(self.inverse(torch.cat([first, later], dim=-1)).float())
        scaled = inferred * self._reach
        offset = self._reach % 1  # An even number of levels lies at half-integers.
        rounded = (scaled - offset).round() + offset
        # Straight-through gradient.
        passed: Tensor = scaled + (rounded - scaled).detach()
        return passed / self._reach

    def forward(self, features: Tensor, latent: Tensor) -> Tensor:
        """Predicted targets of the later frame; (clip, target).

        Args:
            features: Features of the first frames; (clip, width).
            latent: Latent actions; (clip, size).
        """
        predicted: Tensor = self.future(torch.cat([features, latent], dim=-1))
        return predicted


@dataclass(frozen=True, kw_only=True)
class LatentActions(Pretraining):
    """Infers latent actions between frames, and predicts the later frame from them."""

    ahead: int = 8
    """Steps between the two frames."""
    size: int = 4
    """Components of a latent action."""
    levels: int = 8
    """Values that each component takes."""
    width: int = 256
    """Units of the hidden layers of both models."""
    grid: int = 21
    """Pixels along each side to which an image is reduced before it is predicted."""

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: If one is out of range.
        """
        check_counts(self, "ahead", "size", "levels", "width", "grid")
        if self.levels < 2:
            raise InputError(f"levels is {self.levels}; give 2 or more.")

    @property
    def count(self) -> int:
        """2 frames; see ``Pretraining``."""
        return 2

    @property
    def min_length(self) -> int:
        """See ``Pretraining``."""
        return 1 + self.ahead

    @property
    def times(self) -> Times:
        """See ``Pretraining``."""
        return spaced(2, self.ahead)

    def meta(self, policy: Policy) -> Model:
        """The inverse and the forward model."""
        return Model(policy, self)

    def loss(self, policy: Policy, batch: Clips) -> Loss:
        """The error of each clip: that of the later frame plus that of the first."""
        model = cast(Model, policy.meta)
        first, later = clip_features(policy, batch).unbind(1)
        target = model.targets(policy, batch.batch)
        latent = model.latent(first, later)
        ahead = model.targets.error(model(first, latent), target[1::2])
        here = model.targets.error(model(first, torch.zeros_like(latent)), target[::2])
        return Loss(
            ahead + here,
            {
                "error_ahead": ahead.mean().detach(),
                "error_here": here.mean().detach(),
            },
        )
