"""Heads that denoise a chunk of actions step by step: contract, network and head.

In training a demonstrated chunk is corrupted by noise, and a network predicts the target
of the ``Process`` from the corrupted chunk, its noise time and the features. To act, the
process turns noise into a chunk in a chosen number of steps. The processes are ``Flow``
and ``Diffusion``. Each sample of a batch gets one noise and one time.
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
"""Length of the encoding of a noise time."""

Predict = Callable[[Tensor, Tensor], Tensor]
"""Predicts the target of a process, (batch, chunk, component), from a corrupted chunk of
the same shape and its time, (batch,)."""


class Corrupted(NamedTuple):
    """A corrupted chunk and the target that a network predicts from it."""

    chunk: Tensor
    """Demonstrated chunk with noise; (batch, chunk, component)."""
    time: Tensor
    """Time of the process, from 0 to 1; (batch,)."""
    target: Tensor
    """Target of the network; (batch, chunk, component)."""


class Process(Protocol):
    """A noise process: corrupts chunks for training and samples chunks from noise."""

    def corrupted(self, chunk: Tensor, noise: Tensor) -> Corrupted:
        """Corrupts chunks at a random time for each sample.

        Args:
            chunk: Demonstrated actions; (batch, chunk, component).
            noise: Standard normal noise of the same shape.
        """
        ...

    def sampled(self, predict: Predict, noise: Tensor) -> Tensor:
        """Chunk sampled from noise; (batch, chunk, component).

        Args:
            predict: Network that predicts the target.
            noise: Standard normal noise; (batch, chunk, component).
        """
        ...


class DenoisingHead(ActionHead):
    """Samples a chunk of actions by denoising.

    Args:
        width: Length of the features.
        config: Length of a chunk, and the sizes of the network.
        spec: Lengths of the robots' actions.
        process: Noise process.
        network: Predicts the target from a corrupted chunk, (batch, chunk, component), its
            time, (batch,), and a condition, (batch, ``config.head_width``); a ``Denoiser``
            if None.
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
        """A chunk sampled with torch's default generator; see ``ActionHead``."""
        shape = len(predicted), self.chunk, self.action
        noise = torch.randn(shape, device=predicted.device)
        noise = self._masked(noise, robot)
        sample = self.process.sampled(self._predict(predicted, robot), noise)
        return self.gathered(sample, robot).clamp(-1.0, 1.0)

    def score(self, predicted: Tensor, batch: Batch) -> Loss:
        """Squared error of the predicted target; see ``ActionHead``."""
        robot = batch.observation.get(EMBODIMENT)
        # Actions after the end of the episode are padding, which the network must not read.
        action = self.scattered(batch.action * batch.mask[:, :, None], robot)
        noise = self._masked(torch.randn_like(action), robot)
        corrupted = self.process.corrupted(action, noise)
        estimate = self._predict(predicted, robot)(corrupted.chunk, corrupted.time)
        error = self.gathered((estimate - corrupted.target).square(), robot)
        return Loss(masked_mean(error, batch.mask, self.component_mask(robot)), {})

    def _predict(self, condition: Tensor, robot: Tensor | None) -> Predict:
        def predict(chunk: Tensor, time: Tensor) -> Tensor:
            estimate: Tensor = self.network(chunk, time, condition)
            return self._masked(estimate.float(), robot)

        return predict

    def _masked(self, chunk: Tensor, robot: Tensor | None) -> Tensor:
        """The chunk with the components of other robots set to zero."""
        if self.component_indices is None:
            return chunk
        return self.scattered(self.gathered(chunk, robot), robot)


class Denoiser(nn.Module):
    """A residual perceptron over a chunk, its time and a condition.

    Source: the diffusion head of Octo (Octo Model Team 2024, arXiv:2405.12213): three
    residual blocks of 256 units. Departures: separate linear projections of chunk and time
    are added to the condition, which is equivalent to one linear layer on their
    concatenation; blocks have no dropout and one hidden layer as wide as the block.

    Args:
        size: Chunk length times the number of components of an action.
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
        """Predicted target of the process; (batch, chunk, component).

        Args:
            chunk: Corrupted chunk; (batch, chunk, component).
            time: Time of the process, from 0 to 1; (batch,).
            condition: (batch, width).
        """
        features = self.stem(rearrange(chunk, "batch time x -> batch (time x)"))
        features = features + self.time(encoded_time(time)) + condition
        for block in self.blocks:
            features = block(features)
        estimate: Tensor = self.last(functional.gelu(self.norm(features)))
        return estimate.view_as(chunk)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        update: Tensor = self.outer(functional.gelu(self.inner(self.norm(features))))
        return features + update


def encoded_time(time: Tensor) -> Tensor:
    """Sinusoidal encoding of a time from 0 to 1; (batch,) -> (batch, ``TIME_FEATURES``)."""
    powers = torch.linspace(0, 1, _FREQUENCIES, device=time.device)
    angles = time[:, None] * (0.2 * math.pi * _FASTEST**powers)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
