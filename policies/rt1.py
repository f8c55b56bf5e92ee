"""RT-1: a causal transformer over tokens of a history of images, with discretised actions.

An image encoder, modulated by the task (FiLM), maps every image of the history to a feature
map, a TokenLearner reduces the map to eight tokens, and a decoder-only transformer reads all
tokens. The head ``bins`` predicts each component of an action as one of 256 values and is
trained by cross-entropy.

Source: Brohan et al. 2022, "RT-1: Robotics Transformer for Real-World Control at Scale"
(arXiv:2212.06817), section 5, and its code (google-research/robotics_transformer,
``transformer_network.py``); TokenLearner: Ryoo et al. 2021 (arXiv:2106.11297), see
``robomtl.layers.token_learner``. Departures:

1. One linear layer predicts all components of an action from the last token; RT-1 has a
   token for each component. In RT-1's code action tokens are zero and attend to no other
   action, so that there, too, each component is a function of the images alone.
2. The loss is that of the present actions, not the mean over all times of the history.
3. The image encoder is configured by ``Vision``; the default is smaller than RT-1's
   EfficientNet-B3 with ImageNet weights. FiLM modulates it if ``Vision.film`` is set.
4. Each state feature is a token beside those of images. As state tokens and some encoders
   have no FiLM layers, the task also modulates all tokens by a scale and a shift, which
   are initially 1 and 0.
5. If the policy is conditioned on goal images, their tokens come first.
6. The default has 4 blocks of width 256 instead of 8 of width 512, and no dropout.
7. Before the first step of a trial, its first observation is repeated; RT-1 has zeros.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn

from robomtl.action_head import HeadPolicy, action_head
from robomtl.layers.attention import Block, last_tokens
from robomtl.layers.observation_tokens import (
    GoalTokens,
    ObservationTokens,
    Tokens,
    observation_tokens,
    task_tokens,
)
from robomtl.layers.token_config import TokenConfig
from robomtl.policy import Spec, task_layer


@dataclass(frozen=True, kw_only=True)
class RT1Config(TokenConfig):
    """Sizes and loss of the ``rt1`` policy."""

    loss: str = "bins"
    """Action head: l1, l2, gaussian, mixture, bins, flow or diffusion."""


class RT1(HeadPolicy):
    """A causal transformer over task-modulated tokens of a history; see the module."""

    Config = RT1Config
    default_history: ClassVar[int] = 6

    def __init__(self, config: RT1Config, spec: Spec) -> None:
        super().__init__(config, spec)
        width = config.width
        self.encoder = task_layer(spec.embedding, width)
        modulation = nn.Linear(width, 2 * width)
        nn.init.zeros_(modulation.weight)
        nn.init.zeros_(modulation.bias)
        self.film = nn.Sequential(nn.LayerNorm(width), nn.GELU(), modulation)
        self.stem = ObservationTokens(
            spec, self.observer, width=width, image_tokens=config.image_tokens
        )
        self.goals = GoalTokens(spec, width) if spec.goals else None
        self.time = nn.Parameter(0.02 * torch.randn(spec.history, 1, width))
        self.trunk = nn.ModuleList(
            Block(width, config.heads) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.head = action_head(width, config, spec)
        self.causal: Tensor
        count = spec.history * self.stem.count + config.image_tokens * len(spec.goals)
        earlier = torch.ones(count, count, dtype=torch.bool).tril()
        self.register_buffer("causal", earlier, persistent=False)

    def forward(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Features from which the head predicts; (batch, width)."""
        tokens = self._tokens(observation, task_embedding)
        last = last_tokens(self.trunk, tokens.values, self._mask(tokens.present))
        features: Tensor = self.norm(last)
        return features[:, 0]

    def _tokens(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tokens:
        """Tokens of goal images, then those of each observation; (batch, token, width)."""
        task = task_tokens(self, observation, task_embedding)
        scale, shift = self.film(task.values[:, 0])[:, None, None].chunk(2, dim=-1)
        stem_tokens = observation_tokens(self, self.stem, observation, task_embedding)
        # Absent tokens are set to zero, as the head reads the last token in any case.
        observed = stem_tokens.values * stem_tokens.present[:, None, :, None]
        values = rearrange(
            observed * (1 + scale) + shift + self.time,
            "batch time token x -> batch (time token) x",
        )
        present = stem_tokens.present.repeat(1, self.spec.history)
        return Tokens(
            torch.cat([task.values[:, 1:], values], dim=1),
            torch.cat([task.present[:, 1:], present], dim=1),
        )

    def _mask(self, present: Tensor) -> Tensor:
        """Causal attention mask, in which absent tokens are masked.

        Args:
            present: False for absent tokens; (batch, token).

        Returns:
            True where a token may attend to another; (batch or 1, 1, token, token).
        """
        if len(self.spec.embodiments) == 1 and self.goals is None:
            return self.causal[None, None]
        itself = torch.eye(len(self.causal), dtype=torch.bool, device=present.device)
        return (self.causal & present[:, None] | itself)[:, None]
