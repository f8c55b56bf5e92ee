"""Denoising diffusion: noise of many levels is removed from a chunk of actions.

With x_k = √ᾱ_k a + √(1 - ᾱ_k) ε, for noise ε, a chunk a and a level k drawn uniformly, a network
learns ε by its squared error. To act, from x = ε at the last level down,

    a' = clip((x_k - √(1 - ᾱ_k) ε') / √ᾱ_k),  x_j = √ᾱ_j a' + √(1 - ᾱ_j) ε',

for n levels j < k with even gaps, where ε' is what the network predicts and ᾱ = 1 in the end.

Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models" (arXiv:2006.11239),
equations 4 and 14; the levels of Nichol and Dhariwal 2021 (arXiv:2102.09672), equation 17;
the steps of Song et al. 2020, "Denoising Diffusion Implicit Models" (arXiv:2010.02502),
equation 12 with σ = 0. As a policy: Chi et al. 2023 (arXiv:2303.04137). Departure:

1. Where a' is clipped to the bounds of actions, ε' is taken anew from x_k and the clipped
   a', so that the two stay consistent; the library of the latter keeps what was predicted.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from robomtl.action_head import HeadConfig
from robomtl.errors import InputError
from robomtl.heads.denoising import Corrupted, DenoisingHead, Predict
from robomtl.policy import Spec

_MOST_NOISE = 0.999  # Of one level, so that ᾱ stays above 0.


@dataclass(frozen=True, kw_only=True)
class Diffusion:
    """Gaussian noise by a cosine schedule; see ``Process``."""

    steps: int
    """Levels at which noise is removed from a sample."""
    levels: int
    """Levels of noise in training."""

    def __post_init__(self) -> None:
        """Checks the number of steps.

        Raises:
            InputError: If there are more steps than levels.
        """
        if not 1 <= self.steps <= self.levels:
            raise InputError(
                f"sampling_steps is {self.steps} and noise_levels {self.levels}; give from"
                " 1 sampling step to as many as there are noise levels."
            )

    def kept(self, device: torch.device) -> Tensor:
        """ᾱ of each level; (level,)."""
        place = torch.arange(self.levels + 1, device=device) / self.levels
        signal = ((place + 0.008) / 1.008 * math.pi / 2).cos().square()
        noise = (1 - signal[1:] / signal[:-1]).clamp(max=_MOST_NOISE)
        return (1 - noise).cumprod(0)

    def corrupted(self, chunk: Tensor, noise: Tensor) -> Corrupted:
        """A chunk at a level of noise, and the noise; see ``Process``."""
        level = torch.randint(self.levels, (len(chunk),), device=chunk.device)
        kept = self.kept(chunk.device)[level][:, None, None]
        noisy = kept.sqrt() * chunk + (1 - kept).sqrt() * noise
        return Corrupted(noisy, level / self.levels, noise)

    def sampled(self, predict: Predict, noise: Tensor) -> Tensor:
        """Removes the noise level by level; see ``Process``."""
        last, kept = self.levels - 1, self.kept(noise.device)
        places = torch.linspace(last, 0, self.steps, device=noise.device)
        levels = places.round().long().unbind()
        chunk = noise
        for level, after in zip(levels, [*levels[1:], None], strict=True):
            time = (level / self.levels).expand(len(chunk))
            found = predict(chunk, time)
            there = kept.new_ones(()) if after is None else kept[after]
            chunk = ddim_step(chunk, found, kept[level], there)
        return chunk


def ddim_step(noisy: Tensor, noise: Tensor, here: Tensor, there: Tensor) -> Tensor:
    """A noisy chunk at another level of noise, by what its noise is said to be.

    Args:
        noisy: (batch, chunk, component).
        noise: Of the same shape.
        here: ᾱ of the level at which it is; ().
        there: ᾱ of the other level; ().
    """
    chunk = ((noisy - (1 - here).sqrt() * noise) / here.sqrt()).clamp(-1.0, 1.0)
    noise = (noisy - here.sqrt() * chunk) / (1 - here).sqrt()  # Departure 1.
    return there.sqrt() * chunk + (1 - there).sqrt() * noise


class DiffusionHead(DenoisingHead):
    """Draws a chunk by denoising diffusion.

    Args:
        width: Length of the features.
        config: Length of a chunk, sizes of the network, numbers of steps and levels.
        spec: Lengths of the robots' actions.
    """

    def __init__(self, width: int, config: HeadConfig, spec: Spec) -> None:
        super().__init__(width, config, spec, process=diffusion_of(config))

    @classmethod
    def check(cls, config: HeadConfig) -> None:
        """Refuses more steps than levels; see ``ActionHead``."""
        diffusion_of(config)


def diffusion_of(config: HeadConfig) -> Diffusion:
    """The process with the settings of a config.

    Raises:
        InputError: If there are more steps than levels.
    """
    return Diffusion(steps=config.sampling_steps, levels=config.noise_levels)
