"""Targets of generative pre-training: the states and small pictures of observations.

A picture is averaged over squares of a few pixels. Components of states are standardised,
as the policy does it, and pixels over the frames of a batch, but for what hardly changes:
so all count the same.
"""

from math import prod

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.layers.observing import EMBODIMENT
from robomtl.policy import Batch, Policy

_STILL = 1e-3  # Variance of pixels in [0, 1] that counts as that of a recording.


class Targets(nn.Module):
    """The numbers that are reconstructed of frames, standardised.

    Args:
        policy: Reads the observations.
        grid: Squares along a side of a picture.
    """

    def __init__(self, policy: Policy, grid: int) -> None:
        super().__init__()
        spec = policy.spec
        self._grid, self._images = grid, tuple(spec.images)
        shapes = [
            (min(grid, h), min(grid, w), 3)
            for h, w, _ in (each.shape for each in spec.images.values())
        ]
        self.states = spec.places[-1].stop
        self.size = self.states + sum(map(prod, shapes))
        """How many."""

    @torch.no_grad()
    def forward(self, policy: Policy, batch: Batch) -> Tensor:
        """In float32; (frame, size).

        Args:
            policy: Whose normaliser standardises states.
            batch: The frames; (frame, …).
        """
        parts = [self._states(policy, batch)]
        for name in self._images:
            small = self._small(batch.observation[name])
            # By the batch alone: what is kept of earlier ones differs after rehearsals.
            parts.append(
                functional.batch_norm(small, None, None, training=True, eps=_STILL)
            )
        return torch.cat(parts, dim=-1)

    def error(self, predicted: Tensor, wanted: Tensor) -> Tensor:
        """Mean squared errors of states and of pixels, added; (…, size) -> (…)."""
        square = (predicted.float() - wanted).square()
        errors: Tensor = square.new_zeros(square.shape[:-1])
        for part in torch.split(square, [self.states, self.size - self.states], -1):
            errors = errors + part.mean(-1) if part.shape[-1] else errors
        return errors

    def _states(self, policy: Policy, batch: Batch) -> Tensor:
        """The present states, of the frame's own robot; (frame, states)."""
        observer, observation = policy.observer, batch.observation
        states = policy.normaliser(observer.spread(observation))
        if policy.spec.history > 1:
            states = states[:, -1]
        if observer.here is not None:
            states = states * observer.here[observation[EMBODIMENT]][:, : self.states]
        made: Tensor = states.float()
        return made

    def _small(self, image: Tensor) -> Tensor:
        """The present picture in few pixels, in [0, 1]; (frame, pixel)."""
        image = image if image.ndim == 4 else image[:, -1]
        channels = rearrange(image, "frame h w rgb -> frame rgb h w").float() / 255
        height, width = (min(self._grid, side) for side in channels.shape[2:])
        return functional.adaptive_avg_pool2d(channels, (height, width)).flatten(1)
