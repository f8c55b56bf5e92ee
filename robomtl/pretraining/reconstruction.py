"""Targets of generative pre-training: the states and downsampled images of observations.

Images are downsampled by averaging. To give all targets a similar weight, components of
states are standardised by the policy's normaliser, and pixels over the frames of a batch,
except for pixels that hardly change.
"""

from math import prod

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.layers.observer import EMBODIMENT
from robomtl.policy import Batch, Policy

# Added to the variance of pixels in [0, 1], so that noise is not scaled up.
_STILL = 1e-3


class Targets(nn.Module):
    """Standardised states and pixels of frames, to be reconstructed.

    Args:
        policy: Policy that reads the observations.
        grid: Largest number of pixels along a side of a downsampled image.
    """

    def __init__(self, policy: Policy, grid: int) -> None:
        super().__init__()
        spec = policy.spec
        self._grid, self._images = grid, tuple(spec.images)
        shapes = [
            (min(grid, h), min(grid, w), 3)
            for h, w, _ in (each.shape for each in spec.images.values())
        ]
        self.states = spec.state_slices[-1].stop
        self.size = self.states + sum(map(prod, shapes))
        """Number of targets of a frame."""

    @torch.no_grad()
    def forward(self, policy: Policy, batch: Batch) -> Tensor:
        """The targets of frames, in float32; (frame, size).

        Args:
            policy: Policy whose normaliser standardises states.
            batch: Frames; (frame, …).
        """
        parts = [self._states(policy, batch)]
        for name in self._images:
            small = self._small(batch.observation[name])
            # Without running statistics, which rehearsed batches would change.
            parts.append(
                functional.batch_norm(small, None, None, training=True, eps=_STILL)
            )
        return torch.cat(parts, dim=-1)

    def error(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Mean squared error of states plus that of pixels; (…, size) -> (…)."""
        square = (predicted.float() - target).square()
        errors: Tensor = square.new_zeros(square.shape[:-1])
        for part in torch.split(square, [self.states, self.size - self.states], -1):
            errors = errors + part.mean(-1) if part.shape[-1] else errors
        return errors

    def _states(self, policy: Policy, batch: Batch) -> Tensor:
        """The current states, with zeros for features of other robots; (frame, states)."""
        observer, observation = policy.observer, batch.observation
        states = policy.normaliser(observer.spread(observation))
        if policy.spec.history > 1:
            states = states[:, -1]
        if observer.component_mask is not None:
            states = (
                states
                * observer.component_mask[observation[EMBODIMENT]][:, : self.states]
            )
        made: Tensor = states.float()
        return made

    def _small(self, image: Tensor) -> Tensor:
        """The current image, downsampled, in [0, 1]; (frame, pixel)."""
        image = image if image.ndim == 4 else image[:, -1]
        channels = rearrange(image, "frame h w rgb -> frame rgb h w").float() / 255
        height, width = (min(self._grid, side) for side in channels.shape[2:])
        return functional.adaptive_avg_pool2d(channels, (height, width)).flatten(1)
