"""FiLM: a residual multi-layer perceptron in which the task modulates every block.

Source: Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer",
equations 1 and 2. Departures from the paper:

1. The modulated features are those of a residual perceptron block, not of a
   convolution, and they are layer-normalised rather than batch-normalised.
2. The scale is predicted as a difference from 1 by a layer initialised to zero, so that
   initially no task modulates the network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from robomtl.action_head import HeadConfig, HeadPolicy, action_head
from robomtl.layers.initial_projections import init_equal_columns
from robomtl.policy import EMBODIMENT, Memory, Spec, task_layer


@dataclass(frozen=True, kw_only=True)
class FilmConfig(HeadConfig):
    """Sizes and loss of the ``film`` policy."""

    width: int = 384
    """Units of each block."""
    blocks: int = 3
    """Number of residual blocks."""


class FilmBlock(nn.Module):
    """A residual block whose normalised input the task scales and shifts.

    Args:
        width: Length of the features.
        task_width: Length of the encoded task.
    """

    def __init__(self, width: int, task_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(task_width, 2 * width)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        nn.init.zeros_(self.modulation.weight)  # Departure 2.
        nn.init.zeros_(self.modulation.bias)

    def forward(self, features: Tensor, modulation: Tensor) -> Tensor:
        """Features after the block; (batch, width), (batch, 2 width) -> (batch, width)."""
        scale, shift = modulation.chunk(2, dim=-1)
        modulated = self.norm(features) * (1 + scale) + shift
        update: Tensor = self.outer(functional.gelu(self.inner(modulated)))
        return features + update


class Film(HeadPolicy):
    """A residual perceptron whose blocks the encoded task modulates."""

    Config = FilmConfig

    def __init__(self, config: FilmConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.encoder = nn.Sequential(
            task_layer(spec.embedding, config.task_width),
            nn.LayerNorm(config.task_width),
            nn.GELU(),
        )
        self.stem = nn.Linear(spec.inputs, config.width)
        init_equal_columns(self.stem, spec)
        self.trunk = nn.ModuleList(
            FilmBlock(config.width, config.task_width) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(config.width)
        self.head = action_head(config.width, config, spec)

    def forward(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Features from which the head predicts; (batch, width)."""
        modulations = self._modulations(task_embedding)
        return self._features(observation, task_embedding, modulations)

    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """Chunk predicted by the head; see ``Policy``.

        The modulations are kept in the memory until the task embedding changes.
        """
        if memory is None or not memory.tensors["task"].equal(task_embedding):
            modulations = torch.stack(self._modulations(task_embedding), dim=1)
            memory = Memory({"task": task_embedding, "modulations": modulations})
        modulations = memory.tensors["modulations"]  # (batch, block, 2 width)
        features = self._features(observation, task_embedding, modulations.unbind(1))
        return self.head(features, observation.get(EMBODIMENT)), memory

    def _modulations(self, task_embedding: Tensor) -> list[Tensor]:
        """Scale and shift of each block, concatenated; (batch, 2 width)."""
        task = self.encoder(task_embedding)
        return [cast(FilmBlock, block).modulation(task) for block in self.trunk]

    def _features(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        modulations: Sequence[Tensor],
    ) -> Tensor:
        features: Tensor = self.stem(self.observed(observation, task_embedding))
        for block, modulation in zip(self.trunk, modulations, strict=True):
            features = block(features, modulation)
        features = self.norm(features)
        return features
