"""Latent actions from episodes without actions: what changed, in a few discrete numbers.

Source: Schmidt and Jiang 2024, "Learning to Act without Actions" (LAPO, arXiv:2312.10812):
an inverse model infers a quantised latent action z from a frame and a later one, a forward
model predicts the later one from the first and z. Departures:

1. z is quantised component by component by rounding (Mentzer et al. 2023, arXiv:2309.15505),
   which needs neither a codebook nor its own loss.
2. Both models read the policy's features, which are trained by it, and the later frame is
   predicted as its states and as a picture of few pixels.
3. What the features alone say of the first frame is predicted as well, from z = 0.
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
        policy: Whose features they read.
        settings: Sizes.
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
        """The latent actions between frames, rounded; (clip, width) -> (clip, size)."""
        inferred = torch.tanh(self.inverse(torch.cat([first, later], dim=-1)).float())
        scaled = inferred * self._reach
        offset = self._reach % 1  # Even numbers of levels lie at halves.
        rounded = (scaled - offset).round() + offset
        # The gradient passes as if nothing were rounded.
        passed: Tensor = scaled + (rounded - scaled).detach()
        return passed / self._reach

    def forward(self, features: Tensor, latent: Tensor) -> Tensor:
        """The later frame, from a frame and a latent action; (clip, target)."""
        predicted: Tensor = self.future(torch.cat([features, latent], dim=-1))
        return predicted


@dataclass(frozen=True, kw_only=True)
class LatentActions(Pretraining):
    """Infers what changes between frames, and predicts the later one from it."""

    ahead: int = 8
    """Steps between the two frames."""
    size: int = 4
    """Components of a latent action."""
    levels: int = 8
    """Values that each component takes."""
    width: int = 256
    """Units of the hidden layers of both models."""
    grid: int = 21
    """Squares along a side of a picture to which it is reduced before it is predicted."""

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: If one is out of range.
        """
        check_counts(self, "ahead", "size", "levels", "width", "grid")
        if self.levels < 2:
            raise InputError(f"levels is {self.levels}; a component takes 2 or more.")

    @property
    def count(self) -> int:
        """The two frames; see ``Pretraining``."""
        return 2

    @property
    def least(self) -> int:
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
        """The error of each clip: of the later frame and of the first."""
        model = cast(Model, policy.meta)
        first, later = clip_features(policy, batch).unbind(1)
        wanted = model.targets(policy, batch.batch)
        latent = model.latent(first, later)
        ahead = model.targets.error(model(first, latent), wanted[1::2])
        here = model.targets.error(model(first, torch.zeros_like(latent)), wanted[::2])
        return Loss(
            ahead + here,
            {
                "error_ahead": ahead.mean().detach(),
                "error_here": here.mean().detach(),
            },
        )
