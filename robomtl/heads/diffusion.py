"""Denoising diffusion: samples a chunk of actions by removing noise level by level.

With x_k = √ᾱ_k a + √(1 - ᾱ_k) ε, for noise ε, a chunk a and a level k drawn uniformly, a network
learns to predict ε by the squared error. To act, starting from x = ε at the last level,

    a' = clip((x_k - √(1 - ᾱ_k) ε') / √ᾱ_k),  x_j = √ᾱ_j a' + √(1 - ᾱ_j) ε',

for n evenly spaced levels j < k, where ε' is the network's prediction and ᾱ = 1 at the end.

Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models" (arXiv:2006.11239),
equations 4 and 14; the levels of Nichol and Dhariwal 2021 (arXiv:2102.09672), equation 17;
the steps of Song et al. 2020, "Denoising Diffusion Implicit Models" (arXiv:2010.02502),
equation 12 with σ = 0. As a policy: Chi et al. 2023 (arXiv:2303.04137). Departure:

1. If a' is clipped to the bounds of actions, ε' is recomputed from x_k and the clipped a',
   so that the two stay consistent; the code of Chi et al. keeps the predicted ε'.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from robomtl.action_head import HeadConfig
from robomtl.errors import InputError
from robomtl.heads.denoising import Corrupted, DenoisingHead, Predict
from robomtl.policy import Spec

_MOST_NOISE = 0.999  # Largest noise of one level, so that ᾱ stays above 0.


@dataclass(frozen=True, kw_only=True)
class Diffusion:
    """Gaussian noise with a cosine schedule; see ``Process``."""

    steps: int
    """Number of sampling steps."""
    levels: int
    """Number of noise levels in training."""

    def __post_init__(self) -> None:
        """Checks the number of steps.

        Raises:
            InputError: If ``steps`` is below 1 or above ``levels``.
        """
        if not 1 <= self.steps <= self.levels:
            raise InputError(
                f"sampling_steps is {self.steps} and noise_levels {self.levels}; give at"
                " least 1 sampling step and at most as many as there are noise levels."
            )

    def kept(self, device: torch.device) -> Tensor:
        """Signal fraction ᾱ of each level; (level,)."""
        time = torch.arange(self.levels + 1, device=device) / self.levels
        signal = ((time + 0.008) / 1.008 * math.pi / 2).cos().square()
        noise = (1 - signal[1:] / signal[:-1]).clamp(max=_MOST_NOISE)
        return (1 - noise).cumprod(0)

    def corrupted(self, chunk: Tensor, noise: Tensor) -> Corrupted:
        """A chunk at a random noise level, with the noise as target; see ``Process``."""
        level = torch.randint(self.levels, (len(chunk),), device=chunk.device)
        kept = self.kept(chunk.device)[level][:, None, None]
        noisy = kept.sqrt() * chunk + (1 - kept).sqrt() * noise
        return Corrupted(noisy, level / self.levels, noise)

    def sampled(self, predict: Predict, noise: Tensor) -> Tensor:
        """Removes the noise level by level; see ``Process``."""
        last, kept = self.levels - 1, self.kept(noise.device)
        spaced = torch.linspace(last, 0, self.steps, device=noise.device)
        levels = spaced.round().long().unbind()
        chunk = noise
        for level, after in zip(levels, [*levels[1:], None], strict=True):
            time = (level / self.levels).expand(len(chunk))
            predicted = predict(chunk, time)
            following = kept.new_ones(()) if after is None else kept[after]
            chunk = ddim_step(chunk, predicted, kept[level], following)
        return chunk


def ddim_step(
    noisy: Tensor, noise: Tensor, present: Tensor, following: Tensor
) -> Tensor:
    """One DDIM step of a noisy chunk to another noise level; (batch, chunk, component).

    Args:
        noisy: Chunk at the present level; (batch, chunk, component).
        noise: Predicted noise, of the same shape.
        present: ᾱ of the present level; ().
        following: ᾱ of the level to step to; ().
    """
    signal, spread = present.sqrt(), (1 - present).sqrt()
    chunk = ((noisy - spread * noise) / signal).clamp(-1.0, 1.0)
    noise = (noisy - signal * chunk) / spread  # Departure 1.
    return following.sqrt() * chunk + (1 - following).sqrt() * noise


class DiffusionHead(DenoisingHead):
    """Samples a chunk by denoising diffusion.

    Args:
        width: Length of the features.
        config: Length of a chunk, sizes of the network, numbers of steps and levels.
        spec: Lengths of the robots' actions.
    """

    def __init__(self, width: int, config: HeadConfig, spec: Spec) -> None:
        super().__init__(width, config, spec, process=diffusion_of(config))

    @classmethod
    def check(cls, config: HeadConfig) -> None:
        """Refuses more sampling steps than noise levels; see ``ActionHead``."""
        diffusion_of(config)


def diffusion_of(config: HeadConfig) -> Diffusion:
    """Diffusion process with the settings of a config.

    Raises:
        InputError: If there are more sampling steps than noise levels.
    """
    return Diffusion(steps=config.sampling_steps, levels=config.noise_levels)
