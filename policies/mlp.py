"""A multi-layer perceptron over the concatenated observation and task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from robomtl.action_head import HeadConfig, HeadPolicy, action_head
from robomtl.layers.initial_projections import init_equal_columns
from robomtl.policy import Spec, task_layer


@dataclass(frozen=True, kw_only=True)
class MLPConfig(HeadConfig):
    """Sizes and loss of the ``mlp`` policy."""

    width: int = 512
    """Units of each hidden layer."""
    layers: int = 3
    """Number of hidden layers."""


class MLP(HeadPolicy):
    """Concatenates the standardised observation with the encoded task embedding."""

    Config = MLPConfig

    def __init__(self, config: MLPConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.encoder = task_layer(spec.embedding, config.task_width)
        self.trunk = hidden_layers(
            [spec.inputs + config.task_width] + [config.width] * config.layers
        )
        init_equal_columns(self.trunk[0], spec)
        self.head = action_head(config.width, config, spec)

    def forward(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Features from which the head predicts; (batch, width)."""
        state = self.observed(observation, task_embedding)
        joined = torch.cat([state, self.encoder(task_embedding)], dim=-1)
        features: Tensor = self.trunk(joined)
        return features


def hidden_layers(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers from each width to the next, each with LayerNorm and GELU."""
    return nn.Sequential(
        *(
            layer
            for inputs, outputs in pairwise(widths)
            for layer in (nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.GELU())
        )
    )
