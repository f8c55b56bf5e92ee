"""Heads that turn noise into a chunk of actions, step by step: the contract and network.

Training corrupts a demonstrated chunk by noise and lets a network predict, from the
corrupted chunk, how far it is corrupted and the features, how to undo it. To act, noise is
drawn and undone in a chosen number of steps. How noise enters and leaves is a ``Process``:
``flow`` or ``diffusion``. The loss and the draws are those of one noise for each sample.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.action_head import ActionHead, HeadConfig, masked_mean
from robomtl.policy import EMBODIMENT, Batch, Loss, Spec

_FREQUENCIES = 32
_FASTEST = 200.0  # Ratio of the fastest frequency to the slowest.
TIME_FEATURES = 2 * _FREQUENCIES
"""Length of an encoded time."""

Predict = Callable[[Tensor, Tensor], Tensor]
"""Predicts what a process calls its target, (batch, chunk, component), from a corrupted
chunk of this shape and its time, (batch,)."""


class Corrupted(NamedTuple):
    """A demonstrated chunk with noise, and what is to be predicted from it."""

    chunk: Tensor
    """(batch, chunk, component)."""
    time: Tensor
    """How far it is corrupted, from 0 to 1; (batch,)."""
    target: Tensor
    """(batch, chunk, component)."""


class Process(Protocol):
    """How noise enters a chunk of actions, and leaves it again."""

    def corrupted(self, chunk: Tensor, noise: Tensor) -> Corrupted:
        """A chunk with noise, at a time drawn at random for each sample.

        Args:
            chunk: (batch, chunk, component).
            noise: Standard normal, of the same shape.
        """
        ...

    def sampled(self, predict: Predict, noise: Tensor) -> Tensor:
        """The chunk to which a network leads from noise; (batch, chunk, component)."""
        ...


class DenoisingHead(ActionHead):
    """Draws a chunk of actions by undoing noise.

    Args:
        width: Length of the features.
        config: Length of a chunk, and the sizes of the network.
        spec: Lengths of the robots' actions.
        process: How noise enters and leaves.
        network: Predicts from a corrupted chunk (batch, chunk, component), its time
            (batch,) and a condition (batch, ``config.head_width``); a ``Denoiser`` if
            None.
    """

    def __init__(
        self,
        width: int,
        config: HeadConfig,
        spec: Spec,
        *,
        process: Process,
        network: nn.Module | None = None,
    ) -> None:
        super().__init__(width, config, spec, outputs=config.head_width)
        self.process = process
        self.network = network or Denoiser(
            config.chunk * self.action, config.head_width, config.head_blocks
        )

    def actions(self, predicted: Tensor, robot: Tensor | None) -> Tensor:
        """A chunk drawn by torch's default generator; see ``ActionHead``."""
        shape = len(predicted), self.chunk, self.action
        noise = torch.randn(shape, device=predicted.device)
        noise = self._masked(noise, robot)
        drawn = self.process.sampled(self._predict(predicted, robot), noise)
        return self.gathered(drawn, robot).clamp(-1.0, 1.0)

    def score(self, predicted: Tensor, batch: Batch) -> Loss:
        """The squared error of what the network predicts; see ``ActionHead``."""
        robot = batch.observation.get(EMBODIMENT)
        # What lies beyond the episode must not be read: it is not part of a demonstration.
        action = self.scattered(batch.action * batch.mask[:, :, None], robot)
        noise = self._masked(torch.randn_like(action), robot)
        corrupted = self.process.corrupted(action, noise)
        found = self._predict(predicted, robot)(corrupted.chunk, corrupted.time)
        error = self.gathered((found - corrupted.target).square(), robot)
        return Loss(masked_mean(error, batch.mask, self.has(robot)), {})

    def _predict(self, condition: Tensor, robot: Tensor | None) -> Predict:
        def predict(chunk: Tensor, time: Tensor) -> Tensor:
            found: Tensor = self.network(chunk, time, condition)
            return self._masked(found.float(), robot)

        return predict

    def _masked(self, chunk: Tensor, robot: Tensor | None) -> Tensor:
        """A chunk with zeros in the components of other robots."""
        if self.own is None:
            return chunk
        return self.scattered(self.gathered(chunk, robot), robot)


class Denoiser(nn.Module):
    """A residual perceptron over a chunk, its time and a condition.

    Source: the diffusion head of Octo (Octo Model Team 2024, arXiv:2405.12213): three
    residual blocks of 256 units. Departures: chunk, time and condition are added by
    linear layers of their own, which is their concatenation before one; blocks have no
    dropout and one hidden layer as wide as the block.

    Args:
        size: Length of a chunk times that of its actions.
        width: Length of the condition, and units of each block.
        blocks: Number of residual blocks.
    """

    def __init__(self, size: int, width: int, blocks: int) -> None:
        super().__init__()
        self.stem = nn.Linear(size, width)
        self.time = nn.Linear(TIME_FEATURES, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, size)

    def forward(self, chunk: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """The estimate that undoes the noise.

        Args:
            chunk: (batch, chunk, component).
            time: From 0 to 1; (batch,).
            condition: (batch, width).

        Returns:
            (batch, chunk, component).
        """
        features = self.stem(rearrange(chunk, "batch time x -> batch (time x)"))
        features = features + self.time(encoded_time(time)) + condition
        for block in self.blocks:
            features = block(features)
        found: Tensor = self.last(functional.gelu(self.norm(features)))
        return found.view_as(chunk)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        update: Tensor = self.outer(functional.gelu(self.inner(self.norm(features))))
        return features + update


def encoded_time(time: Tensor) -> Tensor:
    """Sines and cosines of a time from 0 to 1; (batch,) -> (batch, feature)."""
    powers = torch.linspace(0, 1, _FREQUENCIES, device=time.device)
    angles = time[:, None] * (0.2 * math.pi * _FASTEST**powers)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
