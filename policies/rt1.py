"""A causal transformer over a few tokens of each image in a history, with actions in bins.

An encoder that the task modulates (FiLM) turns every image of the history into the places of
a map, a TokenLearner these into eight tokens, and a decoder-only transformer attends from each
token to those before it. The head ``bins`` predicts each component of an action as one of 256
values by the cross-entropy of these.

Source: Brohan et al. 2022, "RT-1: Robotics Transformer for Real-World Control at Scale"
(arXiv:2212.06817), section 5, and its code (google-research/robotics_transformer,
``transformer_network.py``); TokenLearner: Ryoo et al. 2021 (arXiv:2106.11297), see
``robomtl.layers.token_learner``. Departures:

1. Components of an action are read from the last token by one linear layer, and not from a
   token of each. RT-1's code sets action tokens to zero and lets them attend to no other
   action, so that there too each is a function of the images alone.
2. The loss is that of the present actions, and not the mean over all times of the history.
3. The encoder is that of ``Vision``, by default smaller than EfficientNet-B3 with ImageNet
   weights; ``--vision.encoder`` names others. FiLM modulates it where ``Vision`` says so.
4. State features are tokens beside those of images, one for each, without a TokenLearner.
   As neither these nor all encoders have layers for it, the task modulates all tokens, too,
   by a scale and a shift that start at 1 and 0.
5. Images of the goal, where the policy is conditioned on these, come first.
6. The default has 4 blocks of width 256 in place of 8 of 512, and no dropout.
7. Before the first step of a trial, its first observation is repeated, where RT-1 has zeros.
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
    """Attends over the tokens of a history, which the task modulates."""

    Config = RT1Config
    usual_history: ClassVar[int] = 6

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
        last = last_tokens(self.trunk, tokens.values, self._mask(tokens.there))
        features: Tensor = self.norm(last)
        return features[:, 0]

    def _tokens(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tokens:
        """The tokens of goal images, then those of each time; (batch, token, width)."""
        task = task_tokens(self, observation, task_embedding)
        scale, shift = self.film(task.values[:, 0])[:, None, None].chunk(2, dim=-1)
        seen = observation_tokens(self, self.stem, observation, task_embedding)
        present = seen.values * seen.there[:, None, :, None]  # The last one is read.
        values = rearrange(
            present * (1 + scale) + shift + self.time,
            "batch time token x -> batch (time token) x",
        )
        there = seen.there.repeat(1, self.spec.history)
        return Tokens(
            torch.cat([task.values[:, 1:], values], dim=1),
            torch.cat([task.there[:, 1:], there], dim=1),
        )

    def _mask(self, there: Tensor) -> Tensor:
        """Which token may look at which; (batch or 1, 1, token, token)."""
        if len(self.spec.embodiments) == 1 and self.goals is None:
            return self.causal[None, None]
        itself = torch.eye(len(self.causal), dtype=torch.bool, device=there.device)
        return (self.causal & there[:, None] | itself)[:, None]
