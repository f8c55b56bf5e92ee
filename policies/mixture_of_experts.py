"""A mixture of experts: parallel perceptrons, whose outputs the task weighs.

y = Σ_k g_k(z) f_k(s), g = softmax(W z): every expert f_k reads the state s only; the gates g
depend on the task embedding z only.

Source: Jacobs et al. 1991, "Adaptive Mixtures of Local Experts", equation 1, with the
gates of Hendawy et al. 2024, "Multi-Task Reinforcement Learning with Mixture of Orthogonal
Experts" (MOORE, arXiv:2311.11385), whose weights depend on the task. Departures:

1. Experts are not orthogonalised by the Gram-Schmidt process.
2. W reads an encoding of the task embedding, and a softmax makes the gates positive with
   a sum of 1; MOORE's weights are linear.
3. The features of the experts are mixed, and one head for all tasks predicts from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from einops import repeat
from torch import Tensor, nn

from robomtl.action_head import HeadConfig, HeadPolicy, action_head
from robomtl.layers.initial_projections import init_equal_columns
from robomtl.layers.parallel_linear import ParallelLinear
from robomtl.policy import Spec, task_layer


@dataclass(frozen=True, kw_only=True)
class MixtureOfExpertsConfig(HeadConfig):
    """Sizes and loss of the ``mixture_of_experts`` policy."""

    experts: int = 4
    """Number of experts; with a single one the policy ignores its task embedding."""
    width: int = 256
    """Units of each hidden layer of an expert."""
    layers: int = 3
    """Number of hidden layers of an expert."""


class MixtureOfExperts(HeadPolicy):
    """Perceptrons over the observation, mixed by gates that depend on the task."""

    Config = MixtureOfExpertsConfig

    def __init__(self, config: MixtureOfExpertsConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.encoder = nn.Sequential(
            task_layer(spec.embedding, config.task_width),
            nn.LayerNorm(config.task_width),
            nn.GELU(),
            nn.Linear(config.task_width, config.experts),
        )
        widths = [spec.inputs] + [config.width] * config.layers
        self.trunk = nn.Sequential(
            *(
                layer
                for inputs, outputs in pairwise(widths)
                for layer in (
                    ParallelLinear(config.experts, inputs, outputs),
                    nn.LayerNorm(outputs, elementwise_affine=False),
                    nn.GELU(),
                )
            )
        )
        init_equal_columns(self.trunk[0], spec)
        self.head = action_head(config.width, config, spec)

    def gates(self, task_embedding: Tensor) -> Tensor:
        """Weight of each expert, with a sum of 1; (batch, expert)."""
        logits: Tensor = self.encoder(task_embedding)
        return logits.softmax(-1)

    def forward(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Features from which the head predicts; (batch, width)."""
        state = self.observed(observation, task_embedding)
        read = repeat(
            state, "batch state -> expert batch state", expert=self.config.experts
        )
        features = self.trunk(read)  # (expert, batch, width)
        return torch.einsum("be,ebw->bw", self.gates(task_embedding), features)
