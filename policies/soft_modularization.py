"""Soft modularization: layers of modules with soft routing by task and state.

Source: Yang et al. 2020, "Multi-Task Reinforcement Learning with Soft Modularization"
(arXiv:2003.13661), section 4, equations 4 to 7, from which the published code departs.
With f(s) the encoded state, h(z) the encoded task and n modules in each layer l:

    p¹ = W_d ReLU(f(s) · h(z)),  pˡ⁺¹ = W_d ReLU(W_u pˡ · f(s) · h(z))
    p̂ˡ = softmax of pˡ, an n × n matrix, over the modules that are read
    gˡ⁺¹_i = Σ_j p̂ˡ_ij ReLU(W_j gˡ_j),  and the action from Σ_j W_j gᴸ_j

Departures from the paper:

1. The sum over the last modules is the linear layer of the ``ActionHead`` on their
   concatenated outputs, which are layer-normalised first.
2. The policy is trained by cloning, not reinforcement learning, so tasks are not weighed
   by entropy temperatures.

Differences of the published code from the paper, which is followed here:

3. In the code a routing reads the softmax of all earlier routings; here pˡ of the last one.
4. In the code module outputs are mixed and then rectified, and the last ones are routed to
   one; here they are rectified and then mixed, and the head reads all of the last ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from robomtl.action_head import HeadConfig, HeadPolicy, action_head
from robomtl.layers.initial_projections import init_equal_columns
from robomtl.layers.parallel_linear import ParallelLinear
from robomtl.policy import Spec, task_layer


@dataclass(frozen=True, kw_only=True)
class SoftModularizationConfig(HeadConfig):
    """Sizes and loss of the ``soft_modularization`` policy."""

    task_width: int = 256
    """Length of the encoded task and of the encoded state."""
    modules: int = 4
    """Number n of modules of a layer."""
    width: int = 128
    """Units of a module."""
    layers: int = 3
    """Number L - 1 of layers of modules, each followed by a routing; the head is layer L."""


class Router(nn.Module):
    """Predicts the routing weights between layers of modules from task and state.

    Args:
        width: Length of the encoded task and state.
        modules: Number of modules of a layer.
        layers: Number of layers, each followed by a routing.
    """

    def __init__(self, width: int, *, modules: int, layers: int) -> None:
        super().__init__()
        self.modules_of_a_layer = modules
        self.down = nn.ModuleList(
            nn.Linear(width, modules * modules) for _ in range(layers)
        )
        self.up = nn.ModuleList(
            nn.Linear(modules * modules, width) for _ in range(layers - 1)
        )

    def forward(self, task_and_state: Tensor) -> list[Tensor]:
        """Routing weights p̂ of each layer, whose rows have a sum of 1.

        Args:
            task_and_state: Product of the encoded task and state; (batch, width).

        Returns:
            Weights of each layer, indexed by the reading and by the read module; (batch,
            module, module).
        """
        logits = [self.down[0](task_and_state.relu())]
        for up, down in zip(self.up, self.down[1:], strict=True):
            logits.append(down((up(logits[-1]) * task_and_state).relu()))
        return [
            rearrange(each, "b (to of) -> b to of", to=self.modules_of_a_layer).softmax(
                -1
            )
            for each in logits
        ]


class SoftModularization(HeadPolicy):
    """Layers of modules, each of which reads a mixture of the previous layer's modules."""

    Config = SoftModularizationConfig

    def __init__(self, config: SoftModularizationConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        modules, width = config.modules, config.width
        self.encoder = task_layer(spec.embedding, config.task_width)
        self.stem = nn.Linear(spec.inputs, config.task_width)
        init_equal_columns(self.stem, spec)
        self.router = Router(config.task_width, modules=modules, layers=config.layers)
        widths = [config.task_width] + [width] * config.layers
        self.trunk = nn.ModuleList(
            ParallelLinear(modules, inputs, outputs)
            for inputs, outputs in pairwise(widths)
        )
        self.norm = nn.LayerNorm(modules * width)
        self.head = action_head(modules * width, config, spec)

    def routing(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> list[Tensor]:
        """Routing weights of each layer; see ``Router``."""
        return self._routing(self._stem(observation, task_embedding), task_embedding)

    def forward(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Features from which the head predicts; (batch, module · width)."""
        state = self._stem(observation, task_embedding)
        modules = repeat(state, "batch d -> module batch d", module=self.config.modules)
        routing = self._routing(state, task_embedding)
        for layer, weights in zip(self.trunk, routing, strict=True):
            modules = torch.einsum("btm,mbw->tbw", weights, layer(modules).relu())
        concatenated = rearrange(modules, "module batch width -> batch (module width)")
        features: Tensor = self.norm(concatenated)  # Departure 1.
        return features

    def _stem(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        state: Tensor = self.stem(self.observed(observation, task_embedding))
        return state

    def _routing(self, state: Tensor, task_embedding: Tensor) -> list[Tensor]:
        routing: list[Tensor] = self.router(state * self.encoder(task_embedding))
        return routing
